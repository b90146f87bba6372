// Runs one operator on given tensors, through inference and reference, as a graph would.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "ops/table.h"

namespace quadlane::test {

using AttrList = std::vector<std::pair<std::string, Attr>>;
using Ints = std::vector<int64_t>;

// Inputs are constants, so that inference sees their values; an empty tensor is an absent input.
inline Result<Tensor> evaluate(std::string op, const std::vector<Tensor>& inputs, const AttrList& attrs = {}) {
  Graph graph;
  Node node{"n", std::move(op), {}, {}, {}};
  std::vector<const Tensor*> pointers;
  for (size_t i = 0; i < inputs.size(); ++i) {
    pointers.push_back(inputs[i].empty() ? nullptr : &inputs[i]);
    node.inputs.push_back(inputs[i].empty() ? kNoValue : graph.add_constant(cat("c", i), inputs[i]));
  }
  for (const auto& [name, value] : attrs) node.attrs.set(name, value);
  QL_TRY(ValueId y, add_op(graph, op_table(), std::move(node)));
  QL_TRY(auto outputs, eval_node(graph, *graph.producer(y), op_table(), pointers));
  return outputs[0];
}

// As evaluate; a failure is a failed test and an empty tensor.
inline Tensor must(std::string op, const std::vector<Tensor>& inputs, const AttrList& attrs = {}) {
  auto y = evaluate(std::move(op), inputs, attrs);
  EXPECT_TRUE(y.ok()) << y.error().text();
  return y.ok() ? *y : Tensor::scalar(0.0f);
}

// The error text, or "" when it worked.
inline std::string error_of(std::string op, const std::vector<Tensor>& inputs, const AttrList& attrs = {}) {
  auto y = evaluate(std::move(op), inputs, attrs);
  return y.ok() ? "" : y.error().text();
}

template <class T>
std::vector<T> values(const Tensor& t) {
  EXPECT_EQ(t.dtype(), dtype_of<T>());
  auto span = t.span<T>();
  return {span.begin(), span.end()};
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t between(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(engine_); }
  template <class T>
  Tensor tensor(const Shape& shape, double lo, double hi) {
    std::vector<T> data(static_cast<size_t>(elements(shape)));
    for (T& v : data) {
      if constexpr (std::is_floating_point_v<T>) {
        v = static_cast<T>(std::uniform_real_distribution<double>(lo, hi)(engine_));
      } else {
        v = static_cast<T>(between(static_cast<int64_t>(lo), static_cast<int64_t>(hi)));
      }
    }
    return Tensor::from<T>(shape, data);
  }

 private:
  std::mt19937 engine_;
};

inline Tensor floats(const Shape& shape, std::vector<float> data) { return Tensor::from<float>(shape, data); }
inline Tensor bytes(const Shape& shape, std::vector<uint8_t> data) { return Tensor::from<uint8_t>(shape, data); }
inline Tensor iota(const Shape& shape, float first = 0) {
  std::vector<float> data(static_cast<size_t>(elements(shape)));
  for (float& v : data) v = first++;
  return floats(shape, data);
}

}  // namespace quadlane::test
