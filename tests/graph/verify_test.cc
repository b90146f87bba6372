// One broken graph for each invariant of graph/verify.h. What the Graph API cannot break is not tested: two live values
// with one name (names get suffixes), an input id that does not exist (add_node and set_input would already read out of
// bounds), a value without producer that is neither input nor constant, use lists of live nodes.
#include "graph/verify.h"

#include <gtest/gtest.h>

#include "graph/text.h"
#include "ops/table.h"

namespace quadlane {
namespace {

const TensorType kType{DType::f32, {2, 3}};

std::string fault(const Graph& g) {
  Status s = verify(g, op_table());
  return s.ok() ? "" : s.error().text();
}

NodeId add(Graph& g, Node node, std::vector<TensorType> types = {kType}) { return g.add_node(std::move(node), types); }

class Verify : public ::testing::Test {
 protected:
  Graph g;
  ValueId x = g.add_input("x", kType);
};

TEST_F(Verify, AcceptsASoundGraph) {
  NodeId n = add(g, {"n", "Relu", {}, {x}, {}});
  g.set_outputs({g[n].output()});
  EXPECT_EQ(fault(g), "");
  EXPECT_EQ(fault(Graph()), "");
}

TEST_F(Verify, UnknownOperator) {
  add(g, {"n", "Conjure", {}, {x}, {}});
  EXPECT_EQ(fault(g), "node 'n' (Conjure): operator 'Conjure' is not supported");
}

TEST_F(Verify, Arity) {
  add(g, {"n", "Relu", {}, {x, x}, {}});
  EXPECT_EQ(fault(g), "node 'n' (Relu): has 2 inputs, expected 1 to 1");
}

TEST_F(Verify, RequiredInputAbsent) {
  add(g, {"n", "Add", {}, {x, kNoValue}, {}});
  EXPECT_EQ(fault(g), "node 'n' (Add): required input 1 is absent");
}

TEST_F(Verify, UnknownAttribute) {
  Attrs attrs;
  attrs.set("wings", int64_t{2});
  add(g, {"n", "LeakyRelu", attrs, {x}, {}});
  EXPECT_EQ(fault(g), "node 'n' (LeakyRelu): attribute 'wings' is not supported, known are: alpha");
}

TEST_F(Verify, InputFromAnErasedNode) {
  NodeId dead = add(g, {"dead", "Relu", {}, {x}, {}});
  g.erase_dead();
  add(g, {"n", "Exp", {}, {g[dead].output()}, {}});
  EXPECT_EQ(fault(g), "node 'n' (Exp): value 'dead' is produced by the erased node 'dead' (Relu)");
}

TEST_F(Verify, OutputFromAnErasedNode) {
  NodeId dead = add(g, {"dead", "Relu", {}, {x}, {}});
  g.erase_dead();
  g.set_outputs({g[dead].output()});
  EXPECT_EQ(fault(g), "graph output: value 'dead' is produced by the erased node 'dead' (Relu)");
}

TEST_F(Verify, OutputThatDoesNotExist) {
  g.set_outputs({ValueId{7}});
  EXPECT_EQ(fault(g), "graph output: value id 7 does not exist, the graph has 1 values");
}

TEST_F(Verify, ErasedConstantInUse) {
  ValueId c = g.add_constant("c", Tensor::from<float>({3}, std::vector<float>{1, 2, 3}));
  g.erase_dead();
  add(g, {"n", "Add", {}, {x, c}, {}});
  EXPECT_EQ(fault(g), "node 'n' (Add): constant 'c' was erased but is used");
}

TEST_F(Verify, UseByAnErasedNode) {
  NodeId dead = add(g, {"dead", "Relu", {}, {x}, {}});
  g.erase_dead();
  g.set_input(dead, 0, x);
  EXPECT_EQ(fault(g), "value 'x' lists 1 uses that differ from the 0 inputs of live nodes that name it");
}

TEST_F(Verify, Cycle) {
  NodeId a = add(g, {"a", "Relu", {}, {x}, {}});
  NodeId b = add(g, {"b", "Exp", {}, {g[a].output()}, {}});
  add(g, {"behind", "Abs", {}, {g[b].output()}, {}});
  g.set_input(a, 0, g[b].output());
  std::string text = fault(g);
  EXPECT_TRUE(text == "node 'a' (Relu) depends on its own output" || text == "node 'b' (Exp) depends on its own output")
      << text;
}

TEST_F(Verify, EmptyName) {
  g.rename(x, "");
  EXPECT_EQ(fault(g), "value 0 of type f32[2,3] has an empty name");
}

TEST_F(Verify, TypeThatInferenceDoesNotGive) {
  add(g, {"n", "Relu", {}, {x}, {}}, {{DType::f32, {3, 2}}});
  EXPECT_EQ(fault(g), "node 'n' (Relu): output 'n' is f32[3,2], inference gives f32[2,3]");
}

TEST_F(Verify, TypesThatNoLongerFitAfterAnInputChanged) {
  NodeId n = add(g, {"n", "Relu", {}, {x}, {}});
  g.set_input(n, 0, g.add_input("wide", {DType::f32, {2, 4}}));
  EXPECT_EQ(fault(g), "node 'n' (Relu): output 'n' is f32[2,3], inference gives f32[2,4]");
}

TEST_F(Verify, MoreOutputsThanTheOperatorHas) {
  add(g, {"n", "Relu", {}, {x}, {}}, {kType, kType});
  EXPECT_EQ(fault(g), "node 'n' (Relu): has 2 outputs, inference gives 1");
}

TEST_F(Verify, TrailingOptionalOutputsMayBeAbsent) {
  add(g, {"n", "Dropout", {}, {x}, {}});
  EXPECT_EQ(fault(g), "");
}

}  // namespace
}  // namespace quadlane
