// The integer operators of ONNX as their definition says: dequantize, compute, quantize. Later passes find the pattern.
#include <algorithm>

#include "loader/upgrade.h"

namespace quadlane {
namespace {

// DequantizeLinear of inputs x, scale, zero (draft inputs `at`, at + 1, at + 2); `axis` counts when scales are several.
Result<ValueId> dequantized(Draft& d, Emitter& e, size_t at, int64_t axis, const char* what) {
  Node node{cat(d.node.name, ".dequantize_", what), "DequantizeLinear", {}, {}, {}};
  node.inputs = {d.node.inputs[at], e.as_scalar(d.node.inputs[at + 1]), e.as_scalar(d.node.inputs[at + 2])};
  for (ValueId v : node.inputs)
    if (!e.has(v)) return invalid_model("a required input is absent");
  if (e.type(node.inputs[1]).count() > 1) node.attrs.set("axis", axis);
  return e.emit_one(std::move(node), cat(d.node.name, ".", what));
}

// The last node: QuantizeLinear(y, scale, zero) with the draft's inputs `at`, at + 1.
void quantize_result(Draft& d, Emitter& e, ValueId y, size_t at) {
  Node node{d.node.name + ".quantize", "QuantizeLinear", {}, {}, {}};
  node.inputs = {y, e.as_scalar(d.node.inputs[at]), e.as_scalar(d.node.inputs[at + 1])};
  d.node = std::move(node);
}

// The bias is s32 in units of x_scale * w_scale.
Result<ValueId> dequantized_bias(Draft& d, Emitter& e) {
  const Tensor *x_scale = e.constant(d.node.inputs[1]), *w_scale = e.constant(d.node.inputs[4]);
  if (!x_scale || !w_scale || x_scale->dtype() != DType::f32 || w_scale->dtype() != DType::f32 || x_scale->count() != 1)
    return unsupported("scales are not f32 constants");
  std::vector<float> scales;
  for (float s : w_scale->span<float>()) scales.push_back(s * x_scale->as<float>()[0]);
  Shape shape = scales.size() == 1 ? Shape{} : Shape{static_cast<int64_t>(scales.size())};
  Node node{d.node.name + ".dequantize_b", "DequantizeLinear", {}, {d.node.inputs[8]}, {}};
  node.inputs.push_back(e.add_constant(d.node.name + ".b_scale", Tensor::from<float>(shape, scales)));
  if (scales.size() > 1) node.attrs.set("axis", int64_t{0});
  return e.emit_one(std::move(node), d.node.name + ".b");
}

}  // namespace

// QLinearConv(x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, b)
Status upgrade_qlinear_conv(Draft& d, Emitter& e) {
  if (d.input_count() < 8 || d.input_count() > 9)
    return invalid_model("has ", d.input_count(), " inputs, expected 8 or 9");
  Node conv{d.node.name, "Conv", d.node.attrs, {}, {}};
  QL_TRY(ValueId x, dequantized(d, e, 0, 1, "x"));
  QL_TRY(ValueId w, dequantized(d, e, 3, 0, "w"));
  conv.inputs = {x, w};
  if (e.has(d.node.input(8))) {
    QL_TRY(ValueId b, dequantized_bias(d, e));
    conv.inputs.push_back(b);
  }
  QL_TRY(ValueId y, e.emit_one(std::move(conv), d.node.name + ".y"));
  quantize_result(d, e, y, 6);
  return {};
}

// QLinearMatMul(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero)
Status upgrade_qlinear_matmul(Draft& d, Emitter& e) {
  if (d.input_count() != 8) return invalid_model("has ", d.input_count(), " inputs, expected 8");
  for (ValueId v : d.node.inputs)
    if (!e.has(v)) return invalid_model("a required input is absent");
  int64_t a_rank = static_cast<int64_t>(e.type(d.node.inputs[0]).shape.size());
  int64_t b_rank = static_cast<int64_t>(e.type(d.node.inputs[3]).shape.size());
  QL_TRY(ValueId a, dequantized(d, e, 0, std::max<int64_t>(a_rank - 2, 0), "a"));
  QL_TRY(ValueId b, dequantized(d, e, 3, std::max<int64_t>(b_rank - 1, 0), "b"));
  QL_TRY(ValueId y, e.emit_one(Node{d.node.name, "MatMul", {}, {a, b}, {}}, d.node.name + ".y"));
  quantize_result(d, e, y, 6);
  return {};
}

}  // namespace quadlane
