// Whole networks through passes, quantization and compilation, against the references of the same final graph.
#include <gtest/gtest.h>

#include "graph/passes/pass.h"
#include "graph/quant/calibrate.h"
#include "graph/quant/quantize.h"
#include "ops/table.h"
#include "tests/compile/plan_check.h"
#include "tests/support/random_graph.h"

namespace quadlane::testing {
namespace {

void run(Graph& g, std::span<const Pass> passes) {
  Status s = run_passes(g, op_table(), passes);
  ASSERT_TRUE(s.ok()) << s.error().text();
}

Graph random_network(unsigned seed) {
  RandomGraphOptions options;
  options.pre_activation = seed % 2;
  options.batch = seed % 5 == 0 ? 3 : 1;
  options.size = seed % 3 == 0 ? 24 : 16;
  return seed % 4 < 2 ? random_dense_unet(op_table(), seed, options) : random_resnet(op_table(), seed, options);
}

Graph f32_network(unsigned seed) {
  Graph g = random_network(seed);
  run(g, simplify_passes());
  run(g, fuse_f32_passes());
  return g;
}

// Calibrated on two random inputs, quantized, lowered to integer operators.
Graph int8_network(unsigned seed, QuantForm form) {
  Graph g = random_network(seed);
  run(g, simplify_passes());
  Calibrator calibrator(g, reference_evaluator(g, op_table()));
  for (unsigned i = 0; i < 2; ++i) {
    Status s = calibrator.add(random_inputs(g, seed * 10 + i));
    EXPECT_TRUE(s.ok()) << s.error().text();
  }
  QuantPolicy policy;
  policy.form = form;
  auto quantized = quantize(g, op_table(), calibrator.profile(), policy);
  EXPECT_TRUE(quantized.ok()) << quantized.error().text();
  Graph q = std::move(*quantized);
  run(q, fuse_int8_passes());
  run(q, fuse_f32_passes());
  return q;
}

void expect_agreement(const Graph& g, PlanCheck check, unsigned seed) {
  EXPECT_EQ(check_plan(g, check), "") << "seed " << seed << " on " << to_string(check.isa);
}

TEST(NetworkPlan, F32Avx2) {
  for (unsigned seed = 1; seed <= 24; ++seed)
    expect_agreement(f32_network(seed), {.isa = Isa::avx2, .threads = 1 + static_cast<int>(seed % 3)}, seed);
}

TEST(NetworkPlan, F32Avx512) {
  for (unsigned seed = 1; seed <= 4; ++seed)
    expect_agreement(f32_network(seed), {.isa = seed % 2 ? Isa::avx512 : Isa::avx512_vnni, .runs = 1}, seed);
}

TEST(NetworkPlan, Int8Avx2) {
  for (unsigned seed = 1; seed <= 24; ++seed)
    expect_agreement(int8_network(seed, seed % 3 ? QuantForm::for_quadlane : QuantForm::for_any),
                     {.isa = Isa::avx2, .threads = 1 + static_cast<int>(seed % 3)}, seed);
}

TEST(NetworkPlan, Int8Avx512) {
  for (Isa isa : {Isa::avx512, Isa::avx512_vnni})
    for (unsigned seed = 1; seed <= 6; ++seed)
      expect_agreement(int8_network(seed, QuantForm::for_quadlane), {.isa = isa, .runs = 1}, seed);
}

TEST(NetworkPlan, ReferencePathGivesTheSame) {
  for (unsigned seed = 1; seed <= 4; ++seed)
    expect_agreement(int8_network(seed, QuantForm::for_quadlane), {.isa = Isa::reference, .threads = 2}, seed);
}

}  // namespace
}  // namespace quadlane::testing
