#include "graph/text_node.h"

#include <gtest/gtest.h>

#include "graph/text.h"
#include "ops/table.h"

namespace quadlane {
namespace {

Graph graph_of(const char* text) {
  auto graph = parse_graph(text, op_table());
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  return *std::move(graph);
}

TEST(TextNode, ANodeReadsBackAsAGraphOfItsOwn) {
  const Graph graph = graph_of(R"(graph "net"
input %x: f32[1,8,6,6]
const %w: f32[4,8,3,3] = random(3)
const %b: f32[4] = {1, 2, 3, 4}
%y: f32[1,4,6,6] = Conv(%x, %w, %b) name="conv" pads=[1,1,1,1]
output %y
)");
  const Node& node = graph.at(graph.order()[0]);
  const std::string text = node_alone_text(graph, node);
  EXPECT_EQ(text, "Conv(f32[1,8,6,6], f32[4,8,3,3]=random(1), f32[4]={1, 2, 3, 4}) pads=[1,1,1,1]");
  auto alone = parse_node_alone(text, op_table());
  ASSERT_TRUE(alone.ok()) << alone.error().text();
  EXPECT_EQ(alone->inputs().size(), 1u);
  EXPECT_EQ(alone->at(alone->outputs()[0]).type, graph.at(graph.outputs()[0]).type);
  EXPECT_EQ(node_alone_text(*alone, alone->at(alone->order()[0])), text);
}

TEST(TextNode, AbsentInputsAndFactorsStay) {
  auto alone = parse_node_alone("Clip(f32[2,3], _, f32[]={6})", op_table());
  ASSERT_TRUE(alone.ok()) << alone.error().text();
  EXPECT_EQ(node_alone_text(*alone, alone->at(alone->order()[0])), "Clip(f32[2,3], _, f32[]={6})");
  auto filled = parse_node_alone("Mul(f32[5], f32[5]=fill(0.25))", op_table());
  ASSERT_TRUE(filled.ok()) << filled.error().text();
  EXPECT_EQ(node_alone_text(*filled, filled->at(filled->order()[0])), "Mul(f32[5], f32[5]=fill(0.25))");
}

TEST(TextNode, HasAllOutputsOfItsOperator) {
  const std::pair<const char*, size_t> nodes[] = {
      {"DynamicQuantizeLinear(f32[1,3,4,4])", 3}, {"Split(f32[4,10], s64[2]={2, 8}) axis=1", 2}, {"Relu(f32[3])", 1}};
  for (const auto& [text, outputs] : nodes) {
    auto alone = parse_node_alone(text, op_table());
    ASSERT_TRUE(alone.ok()) << alone.error().text();
    EXPECT_EQ(alone->outputs().size(), outputs) << text;
  }
}

TEST(TextNode, WhatIsNoNodeIsAnError) {
  for (const char* text : {"", "Conv", "Conv(", "Frobnicate(f32[1])", "Relu(f33[1])", "Relu()"})
    EXPECT_FALSE(parse_node_alone(text, op_table()).ok()) << text;
}

}  // namespace
}  // namespace quadlane
