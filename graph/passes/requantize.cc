#include "graph/passes/requantize.h"

#include <algorithm>

namespace quadlane {
namespace {

ValueId add_zeros(Graph& g, const std::string& name, const std::vector<int32_t>& zero) {
  return g.add_constant(
      name, Tensor::from<uint8_t>({static_cast<int64_t>(zero.size())}, std::vector<uint8_t>(zero.begin(), zero.end())));
}

}  // namespace

Node make_requantize(Graph& g, const Dequantized& x, const QuantizedOutput& out, const std::string& name,
                     const Affine* affine) {
  const std::vector<float>& scale = x.params.scale;
  size_t count = std::max({scale.size(), out.channel_scale.size(), affine ? affine->scale.size() : 1});
  std::vector<double> mult(count), bias(count, 0.0);
  for (size_t c = 0; c < count; ++c) {
    double s = scale[scale.size() == 1 ? 0 : c];
    mult[c] = s * (affine ? affine->scale[c] : 1.0) / out.scale_of(c);
    if (affine) bias[c] = affine->shift[c] / out.scale_of(c);
  }
  Shape shape{static_cast<int64_t>(count)};
  Node node{name, "ql.Requantize"};
  node.inputs = {x.q, add_floats(g, name + ".mult", shape, mult), add_floats(g, name + ".bias", shape, bias),
                 add_zeros(g, name + ".in_zero", x.params.zero)};
  set_output_range(node, out);
  return node;
}

Result<ValueId> requantized(Graph& g, const OpTable& ops, const Dequantized& x, const QuantizedOutput& out,
                            const std::string& name, const Affine* affine) {
  bool same =
      !affine && out.channel_scale.empty() && x.params.per_tensor() && x.scale() == out.scale && x.zero() == out.zero;
  if (same && out.lo == 0 && out.hi == 255) return x.q;
  return add_op(g, ops, make_requantize(g, x, out, name, affine));
}

}  // namespace quadlane
