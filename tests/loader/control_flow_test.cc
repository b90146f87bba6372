// Branches, loops, scans, sequences and functions, which are gone once a graph is imported.
#include "tests/loader/run_model.h"

namespace quadlane::testing {
namespace {

using onnx::TensorProto;
using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

onnx::AttributeProto graph_attribute(const std::string& name, const onnx::GraphProto& graph) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(onnx::AttributeProto::GRAPH);
  *a.mutable_g() = graph;
  return a;
}

// Subgraphs are written like models.
struct Body : ModelBuilder {
  Body& takes(const std::string& name, int type = TensorProto::FLOAT) {
    input(name, {}, type);
    return *this;
  }
};

Loaded run_scalars(ModelBuilder& b, Floats x) { return run(b, {static_cast<int64_t>(x.size())}, x); }

// y = x + w, captured from outside, in one branch; x * x in the other.
onnx::GraphProto branch(const char* op, const std::string& other) {
  ModelBuilder b;
  b.node(op, {"x", other}, {"result"}).output("result");
  return b.graph();
}

TEST(If, ConstantConditionTakesItsBranch) {
  for (bool condition : {true, false}) {
    ModelBuilder b;
    b.floats("w", {2}, {10, 20}).initializer<uint8_t>("c", {}, {condition}, TensorProto::BOOL);
    b.node("If", {"c"}, {"y"},
           {graph_attribute("then_branch", branch("Add", "w")), graph_attribute("else_branch", branch("Mul", "x"))});
    Loaded r = run_scalars(b, {3, 4});
    EXPECT_EQ(r.y, condition ? (Floats{13, 24}) : (Floats{9, 16}));
    EXPECT_FALSE(r.graph.tail);
  }
}

// A shape decides: constant, because shapes are static.
TEST(If, ConditionOnAShapeFolds) {
  ModelBuilder b;
  b.floats("w", {2}, {10, 20}).ints("two", {2});
  b.node("Shape", {"x"}, {"s"}).node("Equal", {"s", "two"}, {"c"});
  b.node("If", {"c"}, {"y"},
         {graph_attribute("then_branch", branch("Add", "w")), graph_attribute("else_branch", branch("Mul", "x"))});
  EXPECT_EQ(run_scalars(b, {3, 4}).y, (Floats{13, 24}));
}

TEST(If, ConditionOnDataIsTakenWhenItRuns) {
  for (float first : {1.0f, -1.0f}) {
    ModelBuilder b;
    b.floats("w", {2}, {10, 20}).floats("zero", {1}, {0}).ints("axes", {0});
    b.node("ReduceSum", {"x"}, {"sum"}).node("Greater", {"sum", "zero"}, {"c"});
    b.node("If", {"c"}, {"y"},
           {graph_attribute("then_branch", branch("Add", "w")), graph_attribute("else_branch", branch("Mul", "x"))});
    Loaded r = run_scalars(b, {first, first});
    EXPECT_EQ(r.y, first > 0 ? (Floats{11, 21}) : (Floats{1, 1}));
    EXPECT_TRUE(r.graph.tail);
  }
}

TEST(If, NestedBranchesSeeAllNamesAroundThem) {
  ModelBuilder inner, b;
  inner.node("Add", {"t", "w"}, {"result"}).output("result");
  ModelBuilder outer;
  outer.node("Mul", {"x", "x"}, {"t"});
  outer.node("If", {"c"}, {"result"},
             {graph_attribute("then_branch", inner.graph()), graph_attribute("else_branch", inner.graph())});
  outer.output("result");
  b.floats("w", {2}, {1, 2}).initializer<uint8_t>("c", {}, {1}, TensorProto::BOOL);
  b.node("If", {"c"}, {"y"},
         {graph_attribute("then_branch", outer.graph()), graph_attribute("else_branch", outer.graph())});
  EXPECT_EQ(run_scalars(b, {3, 4}).y, (Floats{10, 18}));
}

// A name of the subgraph hides the same one outside.
TEST(If, InnerNamesHideOuterOnes) {
  ModelBuilder inner, b;
  inner.node("Neg", {"x"}, {"t"}).node("Abs", {"t"}, {"result"}).output("result");
  b.initializer<uint8_t>("c", {}, {1}, TensorProto::BOOL).node("Mul", {"x", "x"}, {"t"});
  b.node("If", {"c"}, {"v"},
         {graph_attribute("then_branch", inner.graph()), graph_attribute("else_branch", inner.graph())});
  b.node("Add", {"v", "t"}, {"y"});
  EXPECT_EQ(run_scalars(b, {3, -4}).y, (Floats{12, 20}));
}

onnx::GraphProto loop_body() {  // sum += x * round; also stacks the sum
  Body b;
  b.takes("i", TensorProto::INT64).takes("go", TensorProto::BOOL).takes("sum");
  b.node("Cast", {"i"}, {"f"}, {attribute("to", int64_t{1})}).node("Mul", {"x", "f"}, {"part"});
  b.node("Add", {"sum", "part"}, {"next"}).node("Identity", {"go"}, {"again"}).node("Identity", {"next"}, {"row"});
  b.output("again").output("next");
  ModelBuilder::declare(b.graph().add_output(), "row", {2}, TensorProto::FLOAT);
  return b.graph();
}

TEST(Loop, ConstantRoundsAreUnrolled) {
  ModelBuilder b;
  b.initializer<int64_t>("rounds", {}, {4}, TensorProto::INT64);
  b.node("Loop", {"rounds", "", "x"}, {"", "y"}, {graph_attribute("body", loop_body())}, "loop");
  Loaded r = run_scalars(b, {1, 2});
  EXPECT_EQ(r.y_shape, (Shape{4, 2}));
  EXPECT_EQ(r.y, (Floats{1, 2, 2, 4, 4, 8, 7, 14}));
  EXPECT_FALSE(r.graph.tail);
}

TEST(Loop, NoRoundGivesAnEmptyStack) {
  ModelBuilder b;
  b.initializer<int64_t>("rounds", {}, {0}, TensorProto::INT64);
  b.node("Loop", {"rounds", "", "x"}, {"last", "rows"}, {graph_attribute("body", loop_body())}, "loop");
  b.node("Identity", {"last"}, {"y"});
  EXPECT_EQ(run_scalars(b, {1, 2}).y, (Floats{1, 2}));
}

// while (sum < 100) sum *= 2: rounds that depend on data.
TEST(Loop, ConditionOnDataRunsBehindThePlan) {
  Body body;
  body.takes("i", TensorProto::INT64).takes("go", TensorProto::BOOL).takes("v");
  body.node("Add", {"v", "v"}, {"next"}).node("Less", {"next", "limit"}, {"again"});
  body.output("again").output("next");
  ModelBuilder b;
  b.floats("limit", {1}, {100}).initializer<uint8_t>("yes", {}, {1}, TensorProto::BOOL);
  b.node("Loop", {"", "yes", "x"}, {"y"}, {graph_attribute("body", body.graph())}, "loop");
  Loaded r = run_scalars(b, {3});
  EXPECT_EQ(r.y, (Floats{192}));
  EXPECT_TRUE(r.graph.tail);
}

TEST(Loop, TooManyRoundsAreRefused) {
  ModelBuilder b;
  b.input("x", {1}).initializer<int64_t>("rounds", {}, {INT64_MAX}, TensorProto::INT64);
  b.node("Loop", {"rounds", "", "x"}, {"y"}, {graph_attribute("body", loop_body())}, "loop").output("y");
  LoadOptions few;
  few.max_nodes = 1000;
  std::string error = b.error(few);
  EXPECT_NE(error.find("more nodes are needed than the limit allows"), std::string::npos) << error;
}

// The same in the tail, where the limit holds as well.
TEST(Loop, ARunThatDoesNotEndIsRefused) {
  Body body;
  body.takes("i", TensorProto::INT64).takes("go", TensorProto::BOOL).takes("v");
  body.node("Identity", {"go"}, {"again"}).node("Identity", {"v"}, {"next"}).output("again").output("next");
  ModelBuilder b;
  b.input("x", {1}).floats("zero", {1}, {0}).node("Greater", {"x", "zero"}, {"c"});
  b.node("Loop", {"", "c", "x"}, {"y"}, {graph_attribute("body", body.graph())}, "loop");
  ModelBuilder::declare(b.graph().add_output(), "y", {}, TensorProto::FLOAT);
  LoadOptions few;
  few.max_nodes = 1000;
  auto graph = b.load(few);
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  auto y = interpret(*graph, op_table(), std::vector<Tensor>{Tensor::from<float>({1}, Floats{1})});
  ASSERT_FALSE(y.ok());
  EXPECT_NE(y.error().text().find("more nodes are needed"), std::string::npos) << y.error().text();
}

TEST(Scan, CumulativeSumWithDirections) {
  Body body;
  body.takes("sum").takes("row").node("Add", {"sum", "row"}, {"next"}).node("Identity", {"next"}, {"out"});
  body.output("next").output("out");
  for (int64_t backwards : {0, 1}) {
    ModelBuilder b;
    b.floats("start", {2}, {0, 0});
    b.node("Scan", {"start", "x"}, {"last", "y"},
           {graph_attribute("body", body.graph()), attribute("num_scan_inputs", int64_t{1}),
            attribute("scan_input_directions", std::vector<int64_t>{backwards}),
            attribute("scan_output_directions", std::vector<int64_t>{backwards})});
    Loaded r = run(b, {3, 2}, {1, 2, 3, 4, 5, 6});
    EXPECT_EQ(r.y_shape, (Shape{3, 2}));
    EXPECT_EQ(r.y, backwards ? (Floats{9, 12, 8, 10, 5, 6}) : (Floats{1, 2, 4, 6, 9, 12}));
  }
}

TEST(Sequence, SplitAtInsertConcat) {
  ModelBuilder b;
  b.initializer<int64_t>("two", {}, {2}, TensorProto::INT64).initializer<int64_t>("zero", {}, {0}, TensorProto::INT64);
  b.node("SplitToSequence", {"x", "two"}, {"parts"}).node("SequenceAt", {"parts", "zero"}, {"first"});
  b.node("SequenceInsert", {"parts", "first"}, {"longer"}).node("SequenceErase", {"longer", "zero"}, {"shorter"});
  b.node("ConcatFromSequence", {"shorter"}, {"y"}, {attribute("axis", int64_t{0})});
  EXPECT_EQ(run_scalars(b, {1, 2, 3, 4, 5}).y, (Floats{3, 4, 5, 1, 2}));
}

TEST(Sequence, OutOfRangeAndWrongKindsAreRefused) {
  ModelBuilder b;
  b.input("x", {2}).initializer<int64_t>("three", {}, {3}, TensorProto::INT64);
  b.node("SequenceConstruct", {"x", "x"}, {"s"}).node("SequenceAt", {"s", "three"}, {"y"}, {}, "at").output("y");
  EXPECT_EQ(b.error(), "node 'at' (SequenceAt): position 3 does not exist in a sequence of 2");
  ModelBuilder wrong;
  wrong.input("x", {2}).node("SequenceConstruct", {"x"}, {"s"}).node("Relu", {"s"}, {"y"}, {}, "act").output("y");
  EXPECT_EQ(wrong.error(), "node 'act' (Relu): input 0 is a sequence, a tensor is expected");
  ModelBuilder out;
  out.input("x", {2}).node("SequenceConstruct", {"x"}, {"s"}).output("s");
  EXPECT_EQ(out.error(), "output 's' is no tensor, only tensors are supported");
}

onnx::FunctionProto function(const std::string& name, const std::vector<std::string>& inputs, const NodeList& nodes,
                             const std::string& output) {
  onnx::FunctionProto f;
  f.set_name(name);
  f.set_domain("mine");
  for (const std::string& input : inputs) f.add_input(input);
  f.add_output(output);
  *f.mutable_node() = nodes;
  f.add_opset_import()->set_version(21);
  return f;
}

ModelBuilder& call(ModelBuilder& b, const std::string& op, const std::vector<std::string>& inputs,
                   const std::string& output, const std::vector<onnx::AttributeProto>& attributes = {}) {
  b.node(op, inputs, {output}, attributes, "call_" + output);
  b.graph().mutable_node()->rbegin()->set_domain("mine");
  return b;
}

// leaky(a) with its slope passed on, and twice(a) = leaky(leaky(a)) that calls it.
TEST(Function, CallsNestAndPassAttributes) {
  ModelBuilder leaky, twice, b;
  onnx::AttributeProto slope;
  slope.set_name("alpha");
  slope.set_type(onnx::AttributeProto::FLOAT);
  slope.set_ref_attr_name("slope");
  leaky.node("LeakyRelu", {"a"}, {"r"}, {slope});
  onnx::AttributeProto passed = slope;
  passed.set_name("slope");
  call(twice, "leaky", {"a"}, "t", {passed});
  call(twice, "leaky", {"t"}, "r", {passed});
  *b.model.add_functions() = function("leaky", {"a"}, leaky.graph().node(), "r");
  *b.model.add_functions() = function("twice", {"a"}, twice.graph().node(), "r");
  call(b, "twice", {"x"}, "y", {attribute("slope", 0.5f)});
  EXPECT_EQ(run_scalars(b, {-4, 4}).y, (Floats{-1, 4}));
}

TEST(Function, OneThatCallsItselfIsRefused) {
  ModelBuilder inner, b;
  call(inner, "again", {"a"}, "r");
  *b.model.add_functions() = function("again", {"a"}, inner.graph().node(), "r");
  b.input("x", {1}).output("y");
  std::string error = call(b, "again", {"x"}, "y").error();
  EXPECT_NE(error.find("subgraphs and functions nest deeper than 40"), std::string::npos) << error;
}

// f0 calls f1 twice, f1 calls f2 twice, ...: 2^39 nodes from a small file.
TEST(Function, OnesThatMultiplyAreRefused) {
  ModelBuilder b;
  for (int i = 0; i < 39; ++i) {
    ModelBuilder inner;
    call(inner, cat("f", i + 1), {"a"}, "t");
    call(inner, cat("f", i + 1), {"t"}, "r");
    *b.model.add_functions() = function(cat("f", i), {"a"}, inner.graph().node(), "r");
  }
  ModelBuilder leaf;
  leaf.node("Relu", {"a"}, {"r"});
  *b.model.add_functions() = function("f39", {"a"}, leaf.graph().node(), "r");
  b.input("x", {1}).output("y");
  LoadOptions few;
  few.max_nodes = 2000;
  std::string error = call(b, "f0", {"x"}, "y").error(few);
  EXPECT_NE(error.find("more nodes are needed than the limit allows"), std::string::npos) << error;
}

TEST(ControlFlow, MissingPartsAreNamed) {
  auto with = [](const onnx::GraphProto& then_branch) {
    ModelBuilder b;
    b.input("x", {1}).initializer<uint8_t>("c", {}, {1}, TensorProto::BOOL);
    b.node("If", {"c"}, {"y"},
           {graph_attribute("then_branch", then_branch), graph_attribute("else_branch", branch("Mul", "x"))}, "if");
    return b.output("y").error();
  };
  ModelBuilder ghost, empty, taken;
  EXPECT_EQ(with(ghost.node("Relu", {"ghost"}, {"r"}).output("r").graph()),
            "node 'if' (If): input 'ghost' is not produced by anything");
  EXPECT_EQ(with(empty.output("nowhere").graph()), "node 'if' (If): input 'nowhere' is not produced by anything");
  taken.input("a", {1}).node("Relu", {"a"}, {"r"}).output("r");
  EXPECT_EQ(with(taken.graph()), "node 'if' (If): the subgraph has 1 inputs, 0 values are given to it");
  ModelBuilder none;
  none.input("x", {1}).initializer<uint8_t>("c", {}, {1}, TensorProto::BOOL).node("If", {"c"}, {"y"}, {}, "if");
  EXPECT_EQ(none.output("y").error(), "node 'if' (If): attribute 'then_branch' is missing or no graph");
}

// Flipped bytes must never crash, neither while loading nor in a tail that runs.
TEST(ControlFlow, FlippedBytes) {
  ModelBuilder inner, b;
  inner.node("Relu", {"a"}, {"r"});
  *b.model.add_functions() = function("f", {"a"}, inner.graph().node(), "r");
  b.input("x", {2}).floats("w", {2}, {1, 2}).floats("zero", {1}, {0}).ints("axes", {0});
  b.initializer<int64_t>("rounds", {}, {2}, TensorProto::INT64).node("ReduceSum", {"x"}, {"sum"});
  b.node("Greater", {"sum", "zero"}, {"c"});
  b.node("Loop", {"rounds", "", "x"}, {"last", "rows"}, {graph_attribute("body", loop_body())});
  b.node("SplitToSequence", {"rows"}, {"parts"})
      .node("ConcatFromSequence", {"parts"}, {"all"}, {attribute("axis", int64_t{0})});
  b.node("If", {"c"}, {"t"},
         {graph_attribute("then_branch", branch("Add", "w")), graph_attribute("else_branch", branch("Mul", "x"))});
  call(b, "f", {"t"}, "y").output("y").output("all");
  const std::string bytes = b.bytes();
  LoadOptions limits;
  limits.max_nodes = 500;
  limits.max_folded_bytes = 1 << 20;
  int ran = 0;
  const Tensor x = Tensor::from<float>({2}, Floats{1, 2});
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int flip : {0x01, 0x08, 0x80}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      auto graph = load_onnx_bytes(std::as_bytes(std::span(changed)), op_table(), limits);
      if (graph.ok()) ran += interpret(*graph, op_table(), {&x, 1}).ok();
    }
  EXPECT_GT(ran, 0);
}

TEST(ControlFlow, DeepNestingEndsInAnError) {
  onnx::GraphProto graph = branch("Add", "x");
  for (int i = 0; i < 60; ++i) {
    ModelBuilder outer;
    outer.node("If", {"c"}, {"result"}, {graph_attribute("then_branch", graph)}).output("result");
    graph = outer.graph();
  }
  ModelBuilder b;
  b.input("x", {1}).initializer<uint8_t>("c", {}, {1}, TensorProto::BOOL);
  b.node("If", {"c"}, {"y"}, {graph_attribute("then_branch", graph)}, "if").output("y");
  EXPECT_NE(b.error().find("not an ONNX model, or truncated"), std::string::npos) << b.error();
}

}  // namespace
}  // namespace quadlane::testing
