#include "graph/passes/affine.h"

#include <cmath>

namespace quadlane {
namespace {

std::optional<Affine> batch_norm(const Graph& g, const Node& node) {
  if (node.inputs.size() < 5 || node.outputs.size() != 1 || node.attrs.int_or("training_mode", 0) != 0) return {};
  auto gamma = floats_of(g, node.input(1)), beta = floats_of(g, node.input(2));
  auto mean = floats_of(g, node.input(3)), variance = floats_of(g, node.input(4));
  size_t channels = static_cast<size_t>(g[node.input(0)].type.shape[1]);
  if (gamma.size() != channels || beta.size() != channels || mean.size() != channels || variance.size() != channels)
    return {};
  Affine a{node.input(0), std::vector<double>(channels), std::vector<double>(channels)};
  double epsilon = node.attrs.float_or("epsilon", 1e-5f);
  for (size_t c = 0; c < channels; ++c) {
    a.scale[c] = gamma[c] / std::sqrt(variance[c] + epsilon);
    a.shift[c] = beta[c] - mean[c] * a.scale[c];
  }
  return a;
}

// op(x, k) or, when `swapped`, op(k, x) for a constant k.
std::optional<Affine> arithmetic(const std::string& op, ValueId x, const std::vector<double>& k, bool swapped) {
  Affine a{x, std::vector<double>(k.size(), 1), std::vector<double>(k.size(), 0)};
  for (size_t c = 0; c < k.size(); ++c) {
    if (op == "Add")
      a.shift[c] = k[c];
    else if (op == "Mul")
      a.scale[c] = k[c];
    else if (op == "Sub")
      a.scale[c] = swapped ? -1 : 1, a.shift[c] = swapped ? k[c] : -k[c];
    else if (swapped || k[c] == 0)
      return {};
    else
      a.scale[c] = 1 / k[c];
  }
  return a;
}

bool finite(const std::vector<double>& values) {
  for (double v : values)
    if (!std::isfinite(v)) return false;
  return true;
}

}  // namespace

std::optional<Affine> as_affine(const Graph& g, const Node& node) {
  if (node.inputs.empty() || node.outputs.empty()) return {};
  const TensorType& type = g[node.output()].type;
  if (type.dtype != DType::f32 || type.shape.size() < 3 || type.shape[1] == 0) return {};
  std::optional<Affine> result;
  if (node.op == "BatchNormalization") {
    result = batch_norm(g, node);
  } else if (node.op == "Neg") {
    size_t channels = static_cast<size_t>(type.shape[1]);
    result = Affine{node.input(0), std::vector<double>(channels, -1), std::vector<double>(channels, 0)};
  } else if (is_one_of(node.op, {"Add", "Sub", "Mul", "Div"})) {
    for (size_t side : {0u, 1u}) {
      ValueId x = node.input(side), k = node.input(1 - side);
      if (g.constant(x) || g[x].type != type) continue;  // the constant must not broadcast x
      if (auto values = channel_constant(g, k, type.shape)) result = arithmetic(node.op, x, *values, side == 1);
    }
  }
  if (result && finite(result->scale) && finite(result->shift)) return result;
  return {};
}

Node make_batch_norm(Graph& g, const Affine& a, const std::string& name) {
  Shape shape{static_cast<int64_t>(a.scale.size())};
  Node node{name, "BatchNormalization"};
  node.attrs.set("epsilon", 0.0f);
  node.inputs = {a.x, add_floats(g, name + ".scale", shape, a.scale), add_floats(g, name + ".shift", shape, a.shift),
                 add_floats(g, name + ".mean", shape, std::vector<double>(a.scale.size(), 0)),
                 add_floats(g, name + ".variance", shape, std::vector<double>(a.scale.size(), 1))};
  return node;
}

}  // namespace quadlane
