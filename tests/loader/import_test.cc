// Names, order, inputs, folding: everything about a file that is not one operator's form.
#include <gtest/gtest.h>

#include "graph/text.h"
#include "graph/verify.h"
#include "tests/loader/model_builder.h"

namespace quadlane::testing {
namespace {

using onnx::TensorProto;

Graph must_load(const ModelBuilder& b, const LoadOptions& options = {}) {
  auto graph = b.load(options);
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  if (!graph.ok()) return {};
  Status valid = verify(*graph, op_table());
  EXPECT_TRUE(valid.ok()) << valid.error().text();
  return *std::move(graph);
}

// The only operator's name, in order.
std::vector<std::string> ops_of(const Graph& graph) {
  std::vector<std::string> ops;
  for (NodeId id : graph.order()) ops.push_back(graph[id].op);
  return ops;
}
using Strings = std::vector<std::string>;

TEST(Import, KeepsValueNamesAndNamesNodes) {
  ModelBuilder b;
  b.input("data:0", {1, 2})
      .node("Relu", {"data:0"}, {"mid/é"})
      .node("Neg", {"mid/é"}, {"out"}, {}, "last")
      .output("out");
  Graph g = must_load(b);
  ASSERT_EQ(g.node_count(), 2u);
  EXPECT_EQ(g[g.order()[0]].name, "Relu_0");
  EXPECT_EQ(g[g.order()[1]].name, "last");
  EXPECT_EQ(g[g[g.order()[0]].output()].name, "mid/é");
  EXPECT_EQ(g[g.inputs()[0]].name, "data:0");
  EXPECT_EQ(g[g.outputs()[0]].name, "out");
}

TEST(Import, MadeUpNamesStayClearOfTheFiles) {
  ModelBuilder b(6);
  b.input("x", {2}).node("Clip", {"x"}, {"y"}, {attribute("min", 0.0f)}, "clip");
  b.node("Relu", {"y"}, {"clip.min"}, {}, "Relu_2").node("Relu", {"clip.min"}, {"z"}).output("z");
  Graph g = must_load(b);
  auto order = g.order();
  EXPECT_EQ(g[g[order[1]].output()].name, "clip.min");
  EXPECT_EQ(g[g[order[0]].inputs[1]].name, "clip.min_1");
  EXPECT_EQ(g[order[2]].name, "Relu_2_1");
}

TEST(Import, SortsNodes) {
  ModelBuilder b;
  b.input("x", {1}).node("Neg", {"b"}, {"c"}).node("Abs", {"a"}, {"b"}).node("Relu", {"x"}, {"a"}).output("c");
  EXPECT_EQ(ops_of(must_load(b)), (Strings{"Relu", "Abs", "Neg"}));
}

TEST(Import, LeavesOutWhatNoOutputNeeds) {
  ModelBuilder b;
  b.input("x", {1}).node("Relu", {"x"}, {"y"}).node("NoSuchOperator", {"x"}, {"z"}).output("y");
  EXPECT_EQ(ops_of(must_load(b)), Strings{"Relu"});
}

TEST(Import, InitializersListedAsInputsAreConstants) {
  ModelBuilder b;
  b.input("x", {2}).input("w", {2}).floats("w", {2}, {3, 4}).node("Add", {"x", "w"}, {"y"}).output("y");
  Graph g = must_load(b);
  EXPECT_EQ(g.inputs().size(), 1u);
  EXPECT_NE(g.constant(g[g.order()[0]].inputs[1]), nullptr);
}

TEST(Import, OutputsMayBeInputsOrConstants) {
  ModelBuilder b;
  b.input("x", {2}).floats("w", {1}, {3}).output("x").output("w");
  Graph g = must_load(b);
  auto out = interpret(g, op_table(), std::vector<Tensor>{Tensor::from<float>({2}, std::vector<float>{1, 2})});
  ASSERT_TRUE(out.ok()) << out.error().text();
  EXPECT_EQ((*out)[0].as<float>()[1], 2.0f);
  EXPECT_EQ((*out)[1].as<float>()[0], 3.0f);
}

ModelBuilder with_symbolic_input() {
  ModelBuilder b;
  b.input("x", {1, 3}).node("Relu", {"x"}, {"y"}).output("y");
  auto* shape = b.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->mutable_dim(0)->set_dim_param("whatever");
  auto* height = shape->add_dim();
  height->set_dim_param("height");
  return b;
}

TEST(Import, SymbolicDimensions) {
  ModelBuilder b = with_symbolic_input();
  EXPECT_EQ(b.error(),
            "not fixed: dimension 2 'height' of input 'x' f32[whatever,3,height]; give shapes, for example x=1x3x224");
  LoadOptions options;
  options.shapes["x"] = {2, 3, 5};
  Graph g = must_load(b, options);
  EXPECT_EQ(g[g.outputs()[0]].type.shape, (Shape{2, 3, 5}));
  b.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(2)->set_dim_value(7);
  EXPECT_EQ(must_load(b)[g.outputs()[0]].type.shape, (Shape{1, 3, 7}));
  options.shapes["x"] = {2, 3};
  EXPECT_EQ(b.error(options), "input 'x': the given shape [2,3] has rank 2, the model's has 3");
  options.shapes = {{"y", {1}}};
  EXPECT_EQ(b.error(options), "a shape is given for input 'y', which the model does not have");
  options.shapes = {{"x", {1, -3, 5}}};
  EXPECT_EQ(b.error(options), "input 'x': negative extent in shape [1,-3,5]");
}

TEST(Import, SymbolsAreBoundForAllInputs) {
  ModelBuilder b;
  b.input("x", {1, 3}).input("y", {1, 3}).node("Add", {"x", "y"}, {"z"}).output("z");
  for (int i : {0, 1}) {
    auto* shape = b.graph().mutable_input(i)->mutable_type()->mutable_tensor_type()->mutable_shape();
    shape->mutable_dim(0)->set_dim_param("batch");
    shape->mutable_dim(1)->set_dim_param("width");
  }
  LoadOptions options;
  options.shapes["y"] = {4, 7};
  EXPECT_EQ(must_load(b, options)[must_load(b, options).outputs()[0]].type.shape, (Shape{4, 7}));
  options.shapes["x"] = {4, 8};
  EXPECT_EQ(b.error(options), "input 'y': dimension 'width' is given as 7 and as 8");
}

TEST(Import, NodeNamesAreUnique) {
  ModelBuilder b;
  b.input("x", {1}).node("Relu", {"x"}, {"a"}, {}, "n").node("Neg", {"a"}, {"b"}, {}, "n");
  b.node("Abs", {"b"}, {"c"}, {}, "n_1").output("c");
  Graph g = must_load(b);
  auto order = g.order();
  EXPECT_EQ(g[order[0]].name, "n");
  EXPECT_EQ(g[order[1]].name, "n_2");
  EXPECT_EQ(g[order[2]].name, "n_1");
}

TEST(Import, ShapeArithmeticFolds) {
  // Reshape(x, Concat(Gather(Shape(x), 0), [-1])), as exporters write Flatten.
  ModelBuilder b(9);
  b.input("x", {2, 3, 4}).node("Shape", {"x"}, {"s"});
  b.node("Constant", {}, {"i"}, {attribute("value", tensor_proto<int64_t>(TensorProto::INT64, {}, {0}))});
  b.node("Gather", {"s", "i"}, {"n"}).node("Unsqueeze", {"n"}, {"n1"}, {attribute("axes", std::vector<int64_t>{0})});
  b.ints("minus", {-1}).node("Concat", {"n1", "minus"}, {"shape"}, {attribute("axis", int64_t{0})});
  b.node("Reshape", {"x", "shape"}, {"y"}).output("y");
  Graph g = must_load(b);
  EXPECT_EQ(ops_of(g), Strings{"Reshape"});
  EXPECT_EQ(g[g.outputs()[0]].type.shape, (Shape{2, 12}));
}

TEST(Import, FoldingKeepsItsLimitsAndQuantizedWeights) {
  ModelBuilder b;
  b.floats("a", {4}, {1, 2, 3, 4}).node("Neg", {"a"}, {"y"}).output("y");
  EXPECT_EQ(must_load(b).node_count(), 0u);
  LoadOptions small;
  small.max_folded_elements = 3;
  EXPECT_EQ(must_load(b, small).node_count(), 1u);
  small = {};
  small.max_folded_bytes = 15;
  EXPECT_EQ(must_load(b, small).node_count(), 1u);
  ModelBuilder q;
  q.initializer<int8_t>("w", {4}, {1, 2, 3, 4}, TensorProto::INT8).floats("s", {}, {0.5f});
  q.node("DequantizeLinear", {"w", "s"}, {"y"}).output("y");
  EXPECT_EQ(ops_of(must_load(q)), Strings{"DequantizeLinear"});
}

TEST(Import, HalfModelsRunInFloat) {
  ModelBuilder b(13);
  b.input("x", {2}, TensorProto::FLOAT16);
  b.initializer<uint16_t>("w", {2}, {0x3c00, 0x4000}, TensorProto::FLOAT16).node("Mul", {"x", "w"}, {"m"});
  b.node("Cast", {"m"}, {"c"}, {attribute("to", int64_t{TensorProto::FLOAT16})}).output("c");
  Graph g = must_load(b);
  EXPECT_EQ(g[g.inputs()[0]].type.dtype, DType::f32);
  EXPECT_EQ(g[g.outputs()[0]].type.dtype, DType::f32);
  EXPECT_EQ(ops_of(g), (Strings{"Mul", "Identity"}));
}

TEST(Import, ForeignDomainsAreRefused) {
  ModelBuilder f(13);
  f.input("x", {1}).node("Fused", {"x"}, {"y"}).output("y");
  f.graph().mutable_node(0)->set_domain("com.example");
  f.model.add_opset_import()->set_domain("com.example");
  f.model.mutable_opset_import(1)->set_version(3);
  EXPECT_EQ(f.error(), "node 0 (Fused): operator 'Fused' of domain 'com.example' (version 3) is not supported");
}

}  // namespace
}  // namespace quadlane::testing
