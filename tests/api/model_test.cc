// The C++ API on real files: the showcase network and, where they lie, the shared synthetic ones.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <random>

#include "engine/api/engine.h"
#include "ops/table.h"
#include "tests/support/allocations.h"

namespace quadlane {
namespace {

const std::string kShowcase = std::string(QUADLANE_REPOSITORY) + "/tools/showcase/model/cardiac_dense_unet.onnx";

std::string shared_model(const std::string& name) {
  const char* shared = std::getenv("QUADLANE_SHARED");
  return (shared ? std::string(shared) : std::string(QUADLANE_REPOSITORY) + "/../shared") + "/models/synthetic/" + name;
}

std::vector<Tensor> random_inputs(const Model& model, unsigned seed) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::vector<Tensor> inputs;
  for (const run::TensorInfo& info : model.inputs()) {
    Tensor t = *Tensor::allocate(info.type);
    for (int64_t i = 0; i < t.count(); ++i) t.mutate<float>()[i] = uniform(rng);
    inputs.push_back(std::move(t));
  }
  return inputs;
}

std::vector<Tensor> run(const Model& model, std::vector<Tensor>& inputs, int threads) {
  auto stream = model.open_stream({.threads = threads});
  EXPECT_TRUE(stream.ok());
  std::vector<Tensor> outputs;
  for (const run::TensorInfo& info : model.outputs()) outputs.push_back(*Tensor::allocate(info.type));
  std::vector<View> in;
  std::vector<MutView> out;
  for (Tensor& t : inputs) in.push_back(t.view());
  for (Tensor& t : outputs) out.push_back(t.mut_view());
  Status s = stream->run(in, out);
  EXPECT_TRUE(s.ok()) << s.error().text();
  return outputs;
}

void expect_generated_code_only(const Model& model) {
  for (const auto& step : model.plan().steps)
    EXPECT_FALSE(step->info.reference) << step->info.op << " '" << step->info.name << "': " << step->info.note;
}

// Relative to the output's largest magnitude.
double worst_error(const Tensor& got, const Tensor& want) {
  double worst = 0, largest = 1e-9;
  for (int64_t i = 0; i < got.count(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(want.as<float>()[i])));
    worst =
        std::max(worst, std::fabs(static_cast<double>(got.as<float>()[i]) - static_cast<double>(want.as<float>()[i])));
  }
  return worst / largest;
}

TEST(Model, ShowcaseAgreesWithItsReference) {
  auto model = Model::load(kShowcase, {.tune = false});
  ASSERT_TRUE(model.ok()) << model.error().text();
  if (model->isa() != Isa::reference) expect_generated_code_only(*model);
  std::vector<Tensor> inputs = random_inputs(*model, 1), outputs = run(*model, inputs, 1);
  auto graph = load_onnx(kShowcase, op_table());
  ASSERT_TRUE(graph.ok());
  auto want = interpret(*graph, op_table(), inputs);
  ASSERT_TRUE(want.ok()) << want.error().text();
  EXPECT_LT(worst_error(outputs[0], (*want)[0]), 1e-4);
}

TEST(Model, TunedAndUntunedGiveTheSameBytesOnAnyThreads) {
  auto plain = Model::load(kShowcase, {.tune = false}), tuned = Model::load(kShowcase, {.tune = true});
  ASSERT_TRUE(plain.ok() && tuned.ok());
  std::vector<Tensor> inputs = random_inputs(*plain, 2);
  std::vector<Tensor> one = run(*plain, inputs, 1), two = run(*tuned, inputs, 2), three = run(*plain, inputs, 3);
  EXPECT_EQ(std::memcmp(one[0].data(), two[0].data(), one[0].type().bytes()), 0);
  EXPECT_EQ(std::memcmp(one[0].data(), three[0].data(), one[0].type().bytes()), 0);
}

TEST(Model, RunAllocatesNothing) {
  auto model = Model::load(kShowcase, {.tune = false});
  ASSERT_TRUE(model.ok());
  auto stream = model->open_stream();
  std::vector<Tensor> inputs = random_inputs(*model, 3);
  Tensor output = *Tensor::allocate(model->outputs()[0].type);
  View in = inputs[0].view();
  MutView out = output.mut_view();
  ASSERT_TRUE(stream->run(std::span(&in, 1), std::span(&out, 1)).ok());
  testing::CountAllocations allocations;
  Status s = stream->run(std::span(&in, 1), std::span(&out, 1));
  EXPECT_EQ(allocations.count(), 0);
  EXPECT_TRUE(s.ok());
}

TEST(Model, SharedSyntheticNetworksRunOnGeneratedCode) {
  int found = 0;
  for (const char* name : {"dense_unet_post_224", "dense_unet_pre_224", "fc_densenet56_288"})
    for (const char* form : {".onnx", ".qdq.onnx"}) {
      std::string path = shared_model(std::string(name) + form);
      if (!std::filesystem::exists(path)) continue;
      ++found;
      auto model = Model::load(path, {.tune = false});
      ASSERT_TRUE(model.ok()) << model.error().text();
      EXPECT_EQ(model->is_int8(), std::string(form) == ".qdq.onnx" && model->isa() != Isa::reference) << path;
      if (model->isa() != Isa::reference) expect_generated_code_only(*model);
    }
  if (!found) GTEST_SKIP() << "no shared models at " << shared_model("");
}

TEST(Model, AsksForAnInstructionSetTheProcessorLacks) {
  if (detect_cpu().runs(Isa::avx512_vnni)) GTEST_SKIP() << "this processor has them all";
  auto model = Model::load(kShowcase, {.isa = Isa::avx512_vnni});
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().text().find("instruction set 'avx512_vnni'"), std::string::npos);
}

// The first index that is out of range is told, on any number of threads, by kernels and references alike.
TEST(Model, AnIndexOutOfRangeIsToldWithItsPlaceAndRange) {
  for (const char* op : {"Gather", "GatherND"}) {
    Graph g;
    const ValueId data = g.add_input("data", {DType::f32, {3, 2}}), index = g.add_input("index", {DType::s64, {5, 1}});
    Node gather;
    gather.name = "pick";
    gather.op = op;
    gather.inputs = {data, index};
    g.set_outputs({*add_op(g, op_table(), gather, "y")});
    auto model = Model::from_graph(std::move(g));
    ASSERT_TRUE(model.ok()) << model.error().text();
    for (int threads : {1, 3}) {
      auto stream = model->open_stream({.threads = threads});
      Tensor values = Tensor::from<float>({3, 2}, std::vector<float>{1, 2, 3, 4, 5, 6}),
             y = *Tensor::allocate(model->outputs()[0].type);
      const MutView out = y.mut_view();
      for (int64_t wrong : {int64_t{2}, int64_t{3}, int64_t{-4}}) {
        Tensor at = Tensor::from<int64_t>({5, 1}, std::vector<int64_t>{2, 0, wrong, 1, wrong});
        const View in[] = {values.view(), at.view()};
        const Status s = stream->run(in, std::span(&out, 1));
        EXPECT_EQ(
            s.ok() ? "" : s.error().text(),
            wrong == 2 ? "" : cat("node 'pick' (", op, "): element 2 of the indices is ", wrong, ", expected -3 to 2"));
      }
      EXPECT_EQ(y.as<float>()[0], 5);
    }
  }
}

TEST(Model, MissingFileIsNamed) {
  auto model = Model::load("no/such/file.onnx");
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().text().find("no/such/file.onnx"), std::string::npos);
}

}  // namespace
}  // namespace quadlane
