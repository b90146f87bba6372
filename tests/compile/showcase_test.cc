// The showcase network in int8 on its target instruction set, and the shared synthetic networks compiled for it: on
// AVX-512 VNNI every step is generated code.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "graph/passes/pass.h"
#include "graph/quant/calibrate.h"
#include "graph/quant/quantize.h"
#include "loader/load.h"
#include "ops/table.h"
#include "tests/compile/plan_check.h"
#include "tests/support/random_graph.h"

namespace quadlane::testing {
namespace {

const std::string kRepository = QUADLANE_REPOSITORY;

void run(Graph& g, std::span<const Pass> passes) {
  Status s = run_passes(g, op_table(), passes);
  ASSERT_TRUE(s.ok()) << s.error().text();
}

TEST(ShowcasePlan, Int8OnAvx512EqualsTheReference) {
  auto loaded = load_onnx(kRepository + "/tools/showcase/model/cardiac_dense_unet.onnx", op_table());
  ASSERT_TRUE(loaded.ok()) << loaded.error().text();
  Graph g = std::move(*loaded);
  run(g, simplify_passes());
  Calibrator calibrator(g, reference_evaluator(g, op_table()));
  ASSERT_TRUE(calibrator.add(random_inputs(g, 1)).ok());
  auto quantized = quantize(g, op_table(), calibrator.profile());
  ASSERT_TRUE(quantized.ok()) << quantized.error().text();
  run(*quantized, fuse_int8_passes());
  run(*quantized, fuse_f32_passes());
  EXPECT_EQ(check_plan(*quantized, {.isa = Isa::avx512_vnni, .runs = 1, .expect_no_reference = true}), "");
}

TEST(SyntheticPlans, HaveNoReferenceStepOnAvx512) {
  const char* shared = std::getenv("QUADLANE_SHARED");
  const std::string folder = (shared ? std::string(shared) : kRepository + "/../shared") + "/models/synthetic/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no shared models at " << folder;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    auto graph = load_onnx(entry.path(), op_table());
    ASSERT_TRUE(graph.ok()) << graph.error().text();
    run(*graph, simplify_passes());
    run(*graph, fuse_int8_passes());
    run(*graph, fuse_f32_passes());
    compile::CompileOptions options;
    options.isa = Isa::avx512_vnni;
    options.generate_only = true;
    options.tune = false;
    auto plan = compile::compile(*graph, op_table(), options);
    ASSERT_TRUE(plan.ok()) << plan.error().text();
    for (const auto& step : (*plan)->steps)
      EXPECT_FALSE(step->info.reference) << entry.path().filename() << ": " << step->info.op << " '" << step->info.name
                                         << "': " << step->info.note;
  }
}

}  // namespace
}  // namespace quadlane::testing
