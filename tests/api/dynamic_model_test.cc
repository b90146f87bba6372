// Models whose inputs come in several shapes: which shapes fit, what is compiled when, and that results do not depend
// on it.
#include "engine/api/dynamic_model.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/loader/model_builder.h"

namespace quadlane::testing {
namespace {

using Ints = std::vector<int64_t>;

void open_dims(ModelBuilder& b, int input, const std::vector<std::pair<int, const char*>>& symbols) {
  auto* shape = b.graph().mutable_input(input)->mutable_type()->mutable_tensor_type()->mutable_shape();
  for (auto [axis, symbol] : symbols) shape->mutable_dim(axis)->set_dim_param(symbol);
}

// Convolution, then the image's rows as a matrix by glue that reads its shape: [N,2,H,W] -> [N,3*H,W].
ModelBuilder rows_net() {
  ModelBuilder b;
  std::vector<float> weights(3 * 2 * 3 * 3);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = 0.1F * static_cast<float>(i % 7) - 0.2F;
  b.input("x", {1, 2, 8, 8}).floats("w", {3, 2, 3, 3}, weights);
  b.node("Conv", {"x", "w"}, {"c"}, {attribute("pads", Ints{1, 1, 1, 1})}).node("Relu", {"c"}, {"r"});
  b.node("Shape", {"x"}, {"s"}).ints("i0", {0}).ints("i3", {3}).ints("m", {-1});
  b.node("Gather", {"s", "i0"}, {"n"}).node("Gather", {"s", "i3"}, {"width"});
  b.node("Concat", {"n", "m", "width"}, {"target"}, {attribute("axis", int64_t{0})});
  b.node("Reshape", {"r", "target"}, {"y"}).output("y");
  open_dims(b, 0, {{0, "N"}, {2, "H"}, {3, "W"}});
  return b;
}

DynamicModel open(const ModelBuilder& b, size_t max_shapes = 8) {
  std::string bytes = b.bytes();
  DynamicOptions options;
  options.max_shapes = max_shapes;
  options.model.tune = false;
  return *DynamicModel::from_file(*OnnxModel::from_bytes(std::as_bytes(std::span(bytes))), options);
}

Tensor ramp(const Shape& shape, int64_t from = 0) {
  Tensor t = *Tensor::allocate({DType::f32, shape});
  for (int64_t i = 0; i < t.count(); ++i)
    t.mutate<float>()[i] = static_cast<float>((from + i) * 37 % 101) * 0.01F - 0.4F;
  return t;
}

Tensor run(DynamicStream& stream, const Tensor& x) {
  View view = x.view();
  auto y = stream.run(std::span(&view, 1));
  EXPECT_TRUE(y.ok()) << y.error().text();
  return y.ok() ? (*y)[0] : Tensor();
}

std::string error_of(DynamicStream& stream, const Tensor& x) {
  View view = x.view();
  auto y = stream.run(std::span(&view, 1));
  return y.ok() ? std::string() : y.error().text();
}

void expect_reference(const ModelBuilder& b, const Tensor& x, const Tensor& y) {
  LoadOptions options;
  options.shapes["x"] = x.shape();
  auto want = interpret(*b.load(options), op_table(), std::vector<Tensor>{x});
  ASSERT_TRUE(want.ok()) << want.error().text();
  ASSERT_EQ(y.type(), (*want)[0].type());
  for (int64_t i = 0; i < y.count(); ++i) ASSERT_NEAR(y.as<float>()[i], (*want)[0].as<float>()[i], 1e-5) << i;
}

TEST(DynamicModel, RunsAnyShapeTheFileAllows) {
  ModelBuilder b = rows_net();
  DynamicModel model = open(b);
  EXPECT_EQ(to_string(model.inputs()[0]), "f32[N,2,H,W]");
  DynamicStream stream = model.open_stream();
  EXPECT_EQ(stream.model(), nullptr);
  for (const Shape& shape : {Shape{1, 2, 8, 8}, {3, 2, 5, 19}, {1, 2, 8, 8}, {2, 2, 16, 7}}) {
    Tensor x = ramp(shape), y = run(stream, x);
    EXPECT_EQ(y.shape(), (Shape{shape[0], 3 * shape[2], shape[3]}));
    expect_reference(b, x, y);
  }
  EXPECT_EQ(model.cached(), 3u);
}

TEST(DynamicModel, RefusesWhatDoesNotFit) {
  DynamicModel model = open(rows_net());
  DynamicStream stream = model.open_stream();
  EXPECT_EQ(error_of(stream, ramp({1, 3, 8, 8})), "input 'x' is f32[N,2,H,W], a tensor of shape [1,3,8,8] is given");
  EXPECT_EQ(error_of(stream, ramp({2, 8, 8})), "input 'x' is f32[N,2,H,W], a tensor of shape [2,8,8] is given");
  EXPECT_EQ(stream.run({}).error().text(), "0 inputs given, the model has 1");
  EXPECT_EQ(model.cached(), 0u);
}

TEST(DynamicModel, EqualSymbolsAreEqualExtents) {
  ModelBuilder b;
  b.input("x", {1, 4}).input("z", {1, 4}).node("Add", {"x", "z"}, {"y"}).output("y");
  open_dims(b, 0, {{1, "W"}}), open_dims(b, 1, {{1, "W"}});
  DynamicStream stream = open(b).open_stream();
  Tensor x = ramp({1, 5}), z = ramp({1, 1});
  View views[] = {x.view(), z.view()};
  EXPECT_EQ(stream.run(views).error().text(), "input 'z': dimension 'W' is given as 1 and as 5");
}

TEST(DynamicModel, KeepsTheMostRecentShapes) {
  DynamicModel model = open(rows_net(), 2);
  auto plan = [&](int64_t h) {
    Shape shape{1, 2, h, 8};
    return model.specialize(std::span(&shape, 1))->shared_plan();
  };
  auto a = plan(8), b = plan(9);
  EXPECT_EQ(plan(8), a);  // b is the older one now
  plan(10);
  EXPECT_EQ(model.cached(), 2u);
  EXPECT_EQ(plan(8), a);
  EXPECT_NE(plan(9), b);  // compiled anew
}

TEST(DynamicModel, ShapesShareEqualWeights) {
  DynamicModel model = open(rows_net());
  Shape one{1, 2, 16, 16}, three{3, 2, 16, 16};
  Model a = *model.specialize(std::span(&one, 1)), b = *model.specialize(std::span(&three, 1));
  ASSERT_GT(a.plan().weights.size(), 0u);
  EXPECT_EQ(a.plan().weights.data(), b.plan().weights.data());
}

// Threads that want the same shape get the same plan, whoever compiles it.
TEST(DynamicModel, ThreadsShareTheCache) {
  DynamicModel model = open(rows_net());
  constexpr int kThreads = 4;
  std::vector<std::shared_ptr<const run::Plan>> plans(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      DynamicStream stream = model.open_stream();
      for (int64_t h : {5, 6}) run(stream, ramp({1, 2, h, 9}));
      plans[static_cast<size_t>(i)] = stream.model()->shared_plan();
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& plan : plans) EXPECT_EQ(plan, plans[0]);
  EXPECT_EQ(model.cached(), 2u);
}

TEST(DynamicModel, BatchesOfAModelWithAFixedBatch) {
  ModelBuilder b;  // the constant of Reshape allows no other batch
  b.input("x", {1, 2, 4})
      .ints("t", {1, 8})
      .node("Reshape", {"x", "t"}, {"r"})
      .node("Softmax", {"r"}, {"y"})
      .output("y");
  DynamicModel model = open(b);
  DynamicStream stream = model.open_stream();
  Tensor x = ramp({3, 2, 4}), y = run(stream, x);
  ASSERT_EQ(y.shape(), (Shape{3, 8}));
  EXPECT_EQ(model.cached(), 1u);
  for (int64_t k = 0; k < 3; ++k) {
    Tensor part = run(stream, ramp({1, 2, 4}, 8 * k));
    for (int64_t i = 0; i < 8; ++i) EXPECT_EQ(y.as<float>()[8 * k + i], part.as<float>()[i]);
  }
  EXPECT_EQ(error_of(stream, ramp({3, 3, 4})), "input 'x' is f32[1,2,4], a tensor of shape [3,3,4] is given");
}

TEST(DynamicModel, OptionsNarrowTheInputs) {
  std::string bytes = rows_net().bytes();
  DynamicOptions options;
  options.model.tune = false;
  options.model.load.symbols["H"] = 6;
  options.model.load.batch = 2;
  auto model = DynamicModel::from_file(*OnnxModel::from_bytes(std::as_bytes(std::span(bytes))), options);
  EXPECT_EQ(to_string(model->inputs()[0]), "f32[2,2,6,W]");
  options.model.load.symbols["depth"] = 6;
  model = DynamicModel::from_file(*OnnxModel::from_bytes(std::as_bytes(std::span(bytes))), options);
  EXPECT_EQ(model.error().text(), "an extent is given for dimension 'depth', which no input of the model has");
}

TEST(DynamicModel, AFailedShapeIsTriedAgain) {
  ModelBuilder b;  // rows of eight
  b.input("x", {1, 8}).ints("t", {-1, 8}).node("Reshape", {"x", "t"}, {"y"}).output("y");
  open_dims(b, 0, {{1, "W"}});
  DynamicModel model = open(b);
  DynamicStream stream = model.open_stream();
  EXPECT_NE(error_of(stream, ramp({1, 7})), "");
  EXPECT_EQ(model.cached(), 0u);
  EXPECT_EQ(run(stream, ramp({1, 16})).shape(), (Shape{2, 8}));
}

}  // namespace
}  // namespace quadlane::testing
