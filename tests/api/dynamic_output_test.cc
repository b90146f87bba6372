// Models whose outputs have shapes that depend on the data: a planned network with a tail behind it.
#include <gtest/gtest.h>

#include "engine/api/engine.h"
#include "graph/tail.h"
#include "graph/verify.h"
#include "loader/save.h"
#include "tests/loader/model_builder.h"

namespace quadlane {
namespace {

using testing::attribute;
using testing::ModelBuilder;

// A convolution, the map it gives, and where that is above a limit: [found, 4] indices and the values there. No sum is
// within rounding of the limit: all are multiples of 0.025.
ModelBuilder above_limit(int opset = 17) {
  ModelBuilder b(opset);
  std::vector<float> weights;
  for (int i = 0; i < 2 * 3 * 9; ++i) weights.push_back(static_cast<float>(i % 7 - 3) * 0.25f);
  b.input("x", {1, 3, 6, 5}).floats("w", {2, 3, 3, 3}, weights).floats("limit", {}, {0.0137f});
  b.node("Conv", {"x", "w"}, {"map"}, {attribute("pads", std::vector<int64_t>{1, 1, 1, 1})}, "conv");
  b.node("Greater", {"map", "limit"}, {"above"}, {}, "above").node("NonZero", {"above"}, {"columns"}, {}, "nonzero");
  b.node("Transpose", {"columns"}, {"where"}, {}, "rows").node("GatherND", {"map", "where"}, {"values"}, {}, "values");
  for (const char* name : {"where", "map", "values"}) b.output(name);
  b.graph().mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::INT64);
  return b;
}

Tensor image(float shift) {
  std::vector<float> x;
  for (int i = 0; i < 90; ++i) x.push_back(static_cast<float>(i * 37 % 23) * 0.1f - 1.0f + shift);
  return Tensor::from<float>({1, 3, 6, 5}, x);
}

struct Results {
  Status status;
  std::vector<Tensor> tensors;
};
Results run(const Model& model, run::Stream& stream, const Tensor& x) {
  Results r;
  std::vector<MutView> views;
  r.tensors.reserve(model.outputs().size());  // views point at the tensors' types
  for (const run::TensorInfo& info : model.outputs()) {
    r.tensors.push_back(info.dynamic ? Tensor() : *Tensor::allocate(info.type));
    views.push_back(info.dynamic ? MutView{} : r.tensors.back().mut_view());
  }
  View in = x.view();
  r.status = stream.run({&in, 1}, views);
  for (size_t i = 0; i < views.size(); ++i)
    if (model.outputs()[i].dynamic) r.tensors[i] = stream.result(i);
  return r;
}

void expect_near(const Tensor& got, const Tensor& want) {
  ASSERT_EQ(to_string(got.type()), to_string(want.type()));
  for (int64_t i = 0; i < got.count(); ++i)
    EXPECT_NEAR(element_as_double(got.view(), i), element_as_double(want.view(), i), 1e-5);
}

TEST(DynamicOutput, ShapesFollowTheData) {
  auto graph = above_limit().load();
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(verify(*graph, op_table()).ok());
  auto model = Model::from_graph(*graph, {.tune = false});
  ASSERT_TRUE(model.ok()) << model.error().text();
  ASSERT_EQ(model->outputs().size(), 3u);
  EXPECT_TRUE(model->outputs()[0].dynamic);
  EXPECT_EQ(model->outputs()[0].type.dtype, DType::s64);
  EXPECT_FALSE(model->outputs()[1].dynamic);
  EXPECT_EQ(model->outputs()[1].type.shape, (Shape{1, 2, 6, 5}));
  for (int threads : {1, 2}) {
    auto stream = model->open_stream({.threads = threads});
    ASSERT_TRUE(stream.ok());
    std::set<int64_t> counts;
    for (float shift : {0.0f, 1.0f, -1.0f, 0.0f}) {
      Tensor x = image(shift);
      auto want = interpret(*graph, op_table(), {&x, 1});
      ASSERT_TRUE(want.ok()) << want.error().text();
      Results got = run(*model, *stream, x);
      ASSERT_TRUE(got.status.ok()) << got.status.error().text();
      for (size_t i = 0; i < 3; ++i) expect_near(got.tensors[i], (*want)[i]);
      EXPECT_EQ(got.tensors[0].shape()[0], got.tensors[2].shape()[0]);
      counts.insert(got.tensors[0].shape()[0]);
    }
    EXPECT_GT(counts.size(), 1u) << "the shapes do not depend on the data";
  }
}

// What takes long behind a shape that depends on data is compiled for the shape it has: rows that are found times a
// matrix, and as images through a convolution.
TEST(DynamicOutput, HeavyNodesOfTheTailAreCompiled) {
  ModelBuilder b;
  std::vector<float> matrix(512 * 1024), filter(32 * 2 * 9), rows(60 * 512);
  for (size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<float>(i * 31 % 17) * 0.01f - 0.08f;
  for (size_t i = 0; i < filter.size(); ++i) filter[i] = static_cast<float>(i * 7 % 5) * 0.1f - 0.2f;
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i * 13 % 11) * 0.1f;
  b.input("x", {1, 3, 6, 5}).floats("limit", {}, {0.0137f}).floats("rows", {60, 512}, rows);
  b.floats("matrix", {512, 1024}, matrix).floats("filter", {32, 2, 3, 3}, filter).ints("images", {-1, 2, 16, 32});
  b.node("Greater", {"x", "limit"}, {"above"}).node("NonZero", {"above"}, {"columns"});
  b.node("Gather", {"columns", "third"}, {"places"}, {attribute("axis", int64_t{0})}).ints("third", {2});
  b.node("Squeeze", {"places", "first"}, {"list"}).ints("first", {0});
  b.node("Gather", {"rows", "list"}, {"found"}, {attribute("axis", int64_t{0})});
  b.node("MatMul", {"found", "matrix"}, {"product"}).node("Reshape", {"product", "images"}, {"maps"});
  b.node("Conv", {"maps", "filter"}, {"y"}, {attribute("pads", std::vector<int64_t>{1, 1, 1, 1})}).output("y");
  auto graph = b.load();
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  auto model = Model::from_graph(*graph, {.tune = false});
  ASSERT_TRUE(model.ok()) << model.error().text();
  auto stream = model->open_stream();
  ASSERT_TRUE(stream.ok());
  for (float shift : {0.0f, 1.0f}) {
    Tensor x = image(shift);
    auto want = interpret(*graph, op_table(), {&x, 1});
    ASSERT_TRUE(want.ok()) << want.error().text();
    Results got = run(*model, *stream, x);
    ASSERT_TRUE(got.status.ok()) << got.status.error().text();
    ASSERT_EQ(got.tensors[0].type(), (*want)[0].type());
    for (int64_t i = 0; i < got.tensors[0].count(); ++i)
      ASSERT_NEAR(got.tensors[0].as<float>()[i], (*want)[0].as<float>()[i], 1e-3) << i;
  }
}

// The convolution stays compiled; the last step is the tail and says why.
TEST(DynamicOutput, OnlyTheTailIsOnReferences) {
  auto graph = above_limit().load();
  auto model = Model::from_graph(*graph, {.tune = false});
  ASSERT_TRUE(model.ok());
  const auto& steps = model->plan().steps;
  EXPECT_EQ(steps.back()->info.op, "tail");
  EXPECT_TRUE(steps.back()->info.reference);
  if (model->isa() != Isa::reference) {
    bool generated = false;
    for (const auto& step : steps) generated |= step->info.op == "ql.Conv" && !step->info.reference;
    EXPECT_TRUE(generated) << model->describe_plan();
  }
  EXPECT_NE(model->describe_plan().find("shapes depend on the data"), std::string::npos);
}

// A data-dependent repeat count: far too large ones are refused by name, and the stream goes on working.
TEST(DynamicOutput, LimitsHoldAtRunTime) {
  ModelBuilder b;
  b.input("x", {1, 3, 6, 5}).node("ReduceMax", {"x"}, {"most"}, {attribute("keepdims", int64_t{0})}, "most");
  b.node("Cast", {"most"}, {"n"}, {attribute("to", int64_t{onnx::TensorProto::INT64})}, "n");
  b.ints("axis", {0}).node("Unsqueeze", {"n", "axis"}, {"shape"}, {}, "shape");
  b.node("ConstantOfShape", {"shape"}, {"y"}, {}, "fill").output("y");
  LoadOptions limits;
  limits.max_folded_elements = 1000;
  auto graph = b.load(limits);
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  auto model = Model::from_graph(*graph, {.tune = false});
  ASSERT_TRUE(model.ok());
  auto stream = model->open_stream();
  EXPECT_EQ(run(*model, *stream, image(8)).tensors[0].shape(), (Shape{9}));
  for (float most : {20000.0f, 1e18f, -5.0f}) {
    Results r = run(*model, *stream, image(most));
    ASSERT_FALSE(r.status.ok());
    EXPECT_NE(r.status.error().text().find("node 'fill' (ConstantOfShape)"), std::string::npos)
        << r.status.error().text();
    EXPECT_TRUE(r.tensors[0].empty());
  }
  EXPECT_EQ(run(*model, *stream, image(8)).tensors[0].shape(), (Shape{9}));
}

TEST(DynamicOutput, TheTailGoesIntoFilesAndComesBack) {
  for (int opset : {11, 17}) {
    ModelBuilder b = above_limit(opset);  // with a list that is an attribute until opset 12, an input later
    std::vector<onnx::AttributeProto> axes{attribute("axes", std::vector<int64_t>{0})};
    b.ints("axes", {0})
        .node("Unsqueeze", opset < 13 ? std::vector<std::string>{"values"} : std::vector<std::string>{"values", "axes"},
              {"row"}, opset < 13 ? axes : std::vector<onnx::AttributeProto>{}, "row");
    // Until opset 12 of a matrix, which along the last axis is the same.
    b.node("Softmax", {"row"}, {"soft"}, {attribute("axis", int64_t{-1})}, "soft");
    auto graph = b.output("row").output("soft").load();
    ASSERT_TRUE(graph.ok()) << graph.error().text();
    auto bytes = save_onnx_bytes(*graph);
    ASSERT_TRUE(bytes.ok()) << bytes.error().text();
    auto back = load_onnx_bytes(*bytes, op_table());
    ASSERT_TRUE(back.ok()) << back.error().text();
    Tensor x = image(0);
    auto want = interpret(*graph, op_table(), {&x, 1}), got = interpret(*back, op_table(), {&x, 1});
    ASSERT_TRUE(want.ok() && got.ok()) << got.error().text();
    for (size_t i = 0; i < want->size(); ++i) expect_near((*got)[i], (*want)[i]);
    for (size_t i = 0; i < want->size(); ++i) EXPECT_EQ(back->tail->outputs()[i].name, graph->tail->outputs()[i].name);
  }
}

}  // namespace
}  // namespace quadlane
