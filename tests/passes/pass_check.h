// What the pass tests share: run passes on a graph given as text, compare with the graph before.
#pragma once

#include <gtest/gtest.h>

#include "graph/passes/pass.h"
#include "graph/text.h"
#include "ops/table.h"
#include "tests/support/random_graph.h"

namespace quadlane {

inline const Pass& pass_named(std::string_view name) {
  static const std::vector<Pass> all = all_passes();
  for (const Pass& pass : all)
    if (name == pass.name) return pass;
  ADD_FAILURE() << "no pass " << name;
  return all[0];
}

inline Graph parsed(std::string_view text) {
  auto graph = parse_graph(text, op_table());
  EXPECT_TRUE(graph.ok()) << (graph.ok() ? "" : graph.error().text());
  return graph.ok() ? *std::move(graph) : Graph();
}

inline Graph after_passes(Graph graph, std::span<const Pass> passes, const PassOptions& options = {}) {
  Status s = run_passes(graph, op_table(), passes, options);
  EXPECT_TRUE(s.ok()) << (s.ok() ? "" : s.error().text());
  return graph;
}
inline Graph after_pass(const Graph& graph, std::string_view name) {
  return after_passes(graph, std::span<const Pass>(&pass_named(name), 1));
}

// The operators in order: "Conv Relu".
inline std::string ops_of(const Graph& graph) {
  std::string list;
  for (NodeId id : graph.order()) list += (list.empty() ? "" : " ") + graph[id].op;
  return list;
}

inline std::vector<Tensor> outputs_of(const Graph& graph, const std::vector<Tensor>& inputs) {
  auto outputs = interpret(graph, op_table(), inputs);
  EXPECT_TRUE(outputs.ok()) << (outputs.ok() ? "" : outputs.error().text());
  return outputs.ok() ? *outputs : std::vector<Tensor>();
}

// Largest |a - b| / (1 + max |b|) over the outputs of two graphs on the same random input.
inline double f32_difference(const Graph& a, const Graph& b, uint32_t seed = 1) {
  std::vector<Tensor> inputs = random_inputs(b, seed);
  std::vector<Tensor> ya = outputs_of(a, inputs), yb = outputs_of(b, inputs);
  EXPECT_EQ(ya.size(), yb.size());
  double worst = 0;
  for (size_t i = 0; i < std::min(ya.size(), yb.size()); ++i) {
    EXPECT_EQ(to_string(ya[i].type()), to_string(yb[i].type()));
    double largest = 0, difference = 0;
    for (int64_t e = 0; e < yb[i].count(); ++e) {
      double va = element_as_double(ya[i].view(), e), vb = element_as_double(yb[i].view(), e);
      largest = std::max(largest, std::abs(vb));
      difference = std::max(difference, std::abs(va - vb));
      if (std::isnan(va) != std::isnan(vb)) difference = 1e9;
    }
    worst = std::max(worst, difference / (1 + largest));
  }
  return worst;
}

// One pass turns `text` into a graph of the operators `expected` that computes the same.
inline void expect_rewrite(std::string_view pass, std::string_view text, std::string_view expected) {
  Graph before = parsed(text), after = after_pass(before, pass);
  EXPECT_EQ(ops_of(after), expected) << print(after);
  EXPECT_LT(f32_difference(after, before), 1e-4) << print(after);
}

}  // namespace quadlane
