// A small model loaded, verified and computed.
#pragma once

#include <gtest/gtest.h>

#include "graph/verify.h"
#include "tests/loader/model_builder.h"

namespace quadlane::testing {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

// One input x, one output y; loads, verifies and computes.
struct Loaded {
  Graph graph;
  Floats y;
  Shape y_shape;

  const Node& last() const { return *graph.producer(graph.outputs()[0]); }
  std::vector<std::string> ops() const {
    std::vector<std::string> names;
    for (NodeId id : graph.order()) names.push_back(graph[id].op);
    return names;
  }
  Ints input_ints(size_t i) const { return to_ints(graph.constant(last().input(i))->view()); }
};
using Strings = std::vector<std::string>;

inline Loaded run(ModelBuilder& b, const Shape& shape, Floats x = {}) {
  Loaded result;
  if (x.empty())
    for (int64_t i = 0; i < elements(shape); ++i) x.push_back(static_cast<float>(i));
  b.input("x", shape).output("y");
  auto graph = b.load();
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  if (!graph.ok()) return result;
  Status valid = verify(*graph, op_table());
  EXPECT_TRUE(valid.ok()) << valid.error().text();
  auto y = interpret(*graph, op_table(), std::vector<Tensor>{Tensor::from<float>(shape, x)});
  EXPECT_TRUE(y.ok()) << y.error().text();
  if (!y.ok()) return result;
  result.graph = *std::move(graph);
  result.y.assign((*y)[0].span<float>().begin(), (*y)[0].span<float>().end());
  result.y_shape = (*y)[0].shape();
  return result;
}

}  // namespace quadlane::testing
