#include "graph/folding.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace quadlane {
namespace {

double total(std::span<const TensorType> types) {
  double sum = 0;
  for (const TensorType& type : types) sum += static_cast<double>(type.count());
  return sum;
}

size_t total_bytes(std::span<const TensorType> types) {
  size_t sum = 0;
  for (const TensorType& type : types) sum += type.bytes();
  return sum;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

double inference_work(const Node& node, std::span<const TensorType> inputs) {
  if (node.op != "NonMaxSuppression" || inputs.size() < 2 || inputs[1].shape.empty()) return 0;
  // Each box of each class is held against all that were chosen before.
  return static_cast<double>(inputs[1].count()) * static_cast<double>(inputs[1].shape.back());
}

double evaluation_work(const Node& node, std::span<const TensorType> inputs, std::span<const TensorType> outputs) {
  const double moved = total(inputs) + total(outputs) + inference_work(node, inputs);
  double inner = 1;  // steps for each output
  if (contains(node.op, "Conv")) {
    // Each output reads at most one filter; a transposed convolution spreads each input over one.
    for (const TensorType& type : inputs)
      if (type.shape.size() > 2)
        inner = std::max(inner,
                         static_cast<double>(type.count()) / static_cast<double>(std::max<int64_t>(type.shape[0], 1)));
  } else if (contains(node.op, "MatMul") || contains(node.op, "Gemm")) {
    for (const TensorType& type : inputs)
      for (int64_t extent : type.shape) inner = std::max(inner, static_cast<double>(extent));
  } else if (contains(node.op, "Einsum")) {
    for (const TensorType& type : inputs) inner *= std::max(1.0, static_cast<double>(type.count()));
  } else if ((node.op == "LSTM" || node.op == "GRU" || node.op == "RNN") && inputs.size() > 2) {
    // Each output reads a row of both weights for each gate.
    for (size_t i : {1, 2})
      if (inputs[i].shape.size() == 3) inner += 4 * static_cast<double>(inputs[i].shape[2]);
  } else if (contains(node.op, "Pool")) {
    for (int64_t extent : node.attrs.ints_or("kernel_shape", {})) inner *= static_cast<double>(extent);
  } else if (node.op == "LRN") {
    inner = static_cast<double>(node.attrs.int_or("size", 1));
  } else if (node.op == "Det") {
    for (const TensorType& type : inputs)
      if (!type.shape.empty()) inner = std::pow(static_cast<double>(type.shape.back()), 3);
  } else if (node.op == "RoiAlign") {
    // Points of a bin; where regions decide, their values may ask for as many as the operator allows.
    constexpr double kMostPoints = 1 << 16;
    const double points = static_cast<double>(node.attrs.int_or("sampling_ratio", 0));
    inner = std::pow(points > 0 ? points : kMostPoints, 2);
  }
  return moved + inner * total(outputs);
}

bool FoldBudget::allows(const Node& node, std::span<const TensorType> inputs,
                        std::span<const TensorType> outputs) const {
  for (const TensorType& type : outputs)
    if (type.count() > elements) return false;
  return total_bytes(outputs) <= bytes && evaluation_work(node, inputs, outputs) <= work;
}

void FoldBudget::spend(const Node& node, std::span<const TensorType> inputs, std::span<const TensorType> outputs) {
  bytes -= std::min(bytes, total_bytes(outputs));
  work -= std::min(work, evaluation_work(node, inputs, outputs));
}

}  // namespace quadlane
