// The mutation API: use lists, names, order and what erase_dead leaves behind.
#include <gtest/gtest.h>

#include "graph/verify.h"
#include "ops/table.h"

namespace quadlane {
namespace {

const TensorType kType{DType::f32, {2, 3}};

ValueId unary(Graph& g, const char* op, ValueId x, std::string name = {}) {
  auto y = add_op(g, op_table(), Node{name, op, {}, {x}, {}}, name);
  EXPECT_TRUE(y.ok()) << (y.ok() ? "" : y.error().text());
  return *y;
}

void expect_valid(const Graph& g) {
  Status s = verify(g, op_table());
  EXPECT_TRUE(s.ok()) << (s.ok() ? "" : s.error().text());
}

TEST(Graph, TakenNamesGetASuffix) {
  Graph g;
  ValueId a = g.add_input("x", kType), b = g.add_input("x", kType), c = g.add_input("", kType);
  EXPECT_EQ(g[a].name, "x");
  EXPECT_EQ(g[b].name, "x_1");
  EXPECT_EQ(g[c].name, "v");
  g.rename(c, "x");
  EXPECT_EQ(g[c].name, "x_2");
  g.rename(a, "free");
  g.rename(b, "x");  // given back by a
  EXPECT_EQ(g[b].name, "x");
}

TEST(Graph, UseListsFollowTheInputs) {
  Graph g;
  ValueId x = g.add_input("x", kType);
  auto sum = add_op(g, op_table(), Node{"sum", "Add", {}, {x, x}, {}});
  ASSERT_TRUE(sum.ok());
  NodeId node = g[*sum].producer;
  EXPECT_EQ(g[x].uses, (std::vector<Use>{{node, 0}, {node, 1}}));
  ValueId y = g.add_input("y", kType);
  g.set_input(node, 1, y);
  EXPECT_EQ(g[x].uses, (std::vector<Use>{{node, 0}}));
  EXPECT_EQ(g[y].uses, (std::vector<Use>{{node, 1}}));
  g.set_input(node, 2, y);  // grows the inputs
  EXPECT_EQ(g[node].inputs.size(), 3u);
  g.set_input(node, 2, kNoValue);
  EXPECT_EQ(g[y].uses, (std::vector<Use>{{node, 1}}));
}

TEST(Graph, ReplaceUsesMovesInnerUses) {
  Graph g;
  ValueId x = g.add_input("x", kType), a = unary(g, "Relu", x, "a"), b = unary(g, "Exp", a, "b");
  g.set_outputs({b});
  ValueId c = unary(g, "Abs", x, "c");
  g.replace_uses(a, c);
  EXPECT_TRUE(g[a].uses.empty());
  EXPECT_EQ(g.producer(b)->inputs[0], c);
  EXPECT_EQ(g[c].name, "c");  // `a` was no graph output: names stay
  expect_valid(g);
}

TEST(Graph, ReplacingAnOutputKeepsTheInterface) {
  Graph g;
  ValueId x = g.add_input("x", kType), y = unary(g, "Relu", x, "y");
  g.set_outputs({y});
  ValueId z = unary(g, "Abs", x, "z");
  g.replace_uses(y, z);
  ASSERT_EQ(g.outputs().size(), 1u);
  EXPECT_EQ(g.outputs()[0], z);
  EXPECT_EQ(g[z].name, "y");
  EXPECT_EQ(g.erase_dead(), 1u);
  expect_valid(g);
}

TEST(Graph, ReplacingAnOutputByAnInputRenamesNothing) {
  Graph g;
  ValueId x = g.add_input("x", kType), y = unary(g, "Identity", x, "y");
  g.set_outputs({y});
  g.replace_uses(y, x);
  EXPECT_EQ(g[x].name, "x");
  EXPECT_EQ(g.outputs()[0], x);
  EXPECT_EQ(g.erase_dead(), 1u);
  expect_valid(g);
}

TEST(Graph, SingleUse) {
  Graph g;
  ValueId x = g.add_input("x", kType), a = unary(g, "Relu", x), b = unary(g, "Exp", a);
  g.set_outputs({b});
  ASSERT_NE(g.single_use(a), nullptr);
  EXPECT_EQ(g.single_use(a)->node, g[b].producer);
  EXPECT_EQ(g.single_use(b), nullptr);  // an output
  unary(g, "Abs", a);
  EXPECT_EQ(g.single_use(a), nullptr);
}

TEST(Graph, EraseDeadRemovesChainsAndConstants) {
  Graph g;
  ValueId x = g.add_input("x", kType), y = unary(g, "Relu", x, "y");
  ValueId c = g.add_constant("c", Tensor::from<float>({3}, std::vector<float>{1, 2, 3}));
  ValueId kept = g.add_constant("kept", Tensor::scalar(1.0F));
  auto dead = add_op(g, op_table(), Node{"dead", "Add", {}, {x, c}, {}});
  ASSERT_TRUE(dead.ok());
  unary(g, "Exp", *dead, "dead2");
  g.set_outputs({y, kept});
  EXPECT_EQ(g.node_count(), 3u);
  EXPECT_EQ(g.erase_dead(), 2u);
  EXPECT_EQ(g.node_count(), 1u);
  EXPECT_FALSE(g.is_live(g[*dead].producer));
  EXPECT_TRUE(g.constant(c)->empty());
  EXPECT_FALSE(g.constant(kept)->empty());  // a graph output
  EXPECT_EQ(g[x].uses.size(), 1u);
  EXPECT_EQ(g.erase_dead(), 0u);
  EXPECT_EQ(g[unary(g, "Relu", x, "dead")].name, "dead");  // the name is free again
  expect_valid(g);
}

TEST(Graph, ANodeLivesWhileOneOfItsOutputsIsUsed) {
  Graph g;
  ValueId x = g.add_input("x", kType);
  Attrs attrs;
  attrs.set("axis", int64_t{1});
  attrs.set("num_outputs", int64_t{3});
  auto first = add_op(g, op_table(), Node{"split", "Split", attrs, {x}, {}});
  ASSERT_TRUE(first.ok());
  g.set_outputs({unary(g, "Relu", g.producer(*first)->outputs[2])});
  EXPECT_EQ(g.erase_dead(), 0u);
  EXPECT_EQ(g.node_count(), 2u);
}

TEST(Graph, OrderPutsProducersFirstAndIsStable) {
  Graph g;
  ValueId x = g.add_input("x", kType);
  ValueId a = unary(g, "Relu", x), b = unary(g, "Exp", x), c = unary(g, "Abs", a);
  NodeId na = g[a].producer, nb = g[b].producer, nc = g[c].producer;
  EXPECT_EQ(g.order(), (std::vector<NodeId>{na, nb, nc}));
  ValueId late = unary(g, "Neg", x);
  g.set_input(na, 0, late);  // now the first added waits for the last added
  EXPECT_EQ(g.order(), (std::vector<NodeId>{nb, g[late].producer, na, nc}));
}

TEST(Graph, RenamingAnErasedValueLeavesItsNamesakeAlone) {
  Graph g;
  ValueId x = g.add_input("x", kType), old = unary(g, "Relu", x, "a");
  g.erase_dead();
  ValueId now = unary(g, "Relu", x, "a");
  g.rename(old, "b");
  EXPECT_EQ(g[now].name, "a");
  EXPECT_EQ(g[unary(g, "Exp", x, "a")].name, "a_1");  // "a" is still taken
}

}  // namespace
}  // namespace quadlane
