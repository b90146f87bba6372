// The integer operators of ONNX and of ONNX Runtime's domain as their definition says: dequantize, compute, quantize.
// Later passes find the pattern.
#include <algorithm>

#include "loader/take_attr.h"
#include "loader/upgrade.h"

namespace quadlane {
namespace {

// DequantizeLinear of inputs x, scale, zero (draft inputs `at`, at + 1, at + 2); `axis` counts when scales are several.
Result<ValueId> dequantized(Draft& d, Emitter& e, size_t at, int64_t axis, const std::string& what) {
  Node node{cat(d.node.name, ".dequantize_", what), "DequantizeLinear", {}, {}, {}};
  for (size_t i = at; i < at + 3; ++i) {
    if (i < at + 2 && !e.has(d.node.input(i))) return invalid_model("required input ", i, " is absent");
    node.inputs.push_back(i == at ? d.node.input(i) : e.as_scalar(d.node.input(i)));
  }
  if (e.type(node.inputs[1]).count() > 1) node.attrs.set("axis", axis);
  return e.emit_one(std::move(node), cat(d.node.name, ".", what));
}

// The last node: QuantizeLinear(y, scale, zero) with the draft's inputs `at`, at + 1.
void quantize_result(Draft& d, Emitter& e, ValueId y, size_t at) {
  Node node{d.node.name + ".quantize", "QuantizeLinear", {}, {}, {}};
  node.inputs = {y, e.as_scalar(d.node.input(at)), e.as_scalar(d.node.input(at + 1))};
  d.node = std::move(node);
}

// The s32 input `at` in units of alpha * x_scale * w_scale (draft inputs 1 and 4).
Result<ValueId> dequantized_bias(Draft& d, Emitter& e, size_t at, float alpha) {
  const Tensor *x_scale = e.constant(d.node.input(1)), *w_scale = e.constant(d.node.input(4));
  if (!x_scale || !w_scale || x_scale->dtype() != DType::f32 || w_scale->dtype() != DType::f32 || x_scale->count() != 1)
    return unsupported("scales are not f32 constants");
  std::vector<float> scales;
  for (float s : w_scale->span<float>()) scales.push_back(alpha * s * x_scale->as<float>()[0]);
  Shape shape = scales.size() == 1 ? Shape{} : Shape{static_cast<int64_t>(scales.size())};
  Node node{d.node.name + ".dequantize_bias", "DequantizeLinear", {}, {d.node.input(at)}, {}};
  node.inputs.push_back(e.add_constant(d.node.name + ".bias_scale", Tensor::from<float>(shape, scales)));
  if (scales.size() > 1) node.attrs.set("axis", int64_t{0});
  return e.emit_one(std::move(node), d.node.name + ".bias");
}

// The operator behind a QLinear name, on dequantized inputs and with the draft's attributes; its result is quantized by
// the draft's inputs y_scale, y_scale + 1.
Status compute_and_quantize(Draft& d, Emitter& e, std::vector<ValueId> inputs, size_t y_scale) {
  constexpr std::string_view kPrefix = "QLinear";
  Node node{d.node.name, d.node.op.substr(kPrefix.size()), d.node.attrs, std::move(inputs), {}};
  QL_TRY(ValueId y, e.emit_one(std::move(node), d.node.name + ".y"));
  quantize_result(d, e, y, y_scale);
  return {};
}

// The inputs of a product of bytes whose result is f32; kNoValue where one is absent.
struct FloatProduct {
  ValueId a, b, a_scale, b_scale, a_zero, b_zero, bias;
};

// MatMulInteger -> Cast -> Mul(a_scale * b_scale) [-> Add bias]; the last of them becomes the draft's node.
Status float_product(Draft& d, Emitter& e, const FloatProduct& p) {
  const std::string name = d.node.name;
  auto present = [](std::vector<ValueId> inputs) {
    while (inputs.back() == kNoValue) inputs.pop_back();
    return inputs;
  };
  Node product{name + ".product", "MatMulInteger", {}, present({p.a, p.b, p.a_zero, p.b_zero}), {}};
  QL_TRY(ValueId sum, e.emit_one(std::move(product), name + ".sum"));
  Node cast{name + ".cast", "Cast", {}, {sum}, {}};
  cast.attrs.set("to", int64_t{1});  // f32
  QL_TRY(ValueId real, e.emit_one(std::move(cast), name + ".real"));
  QL_TRY(ValueId scale, e.emit_one({name + ".scales", "Mul", {}, {p.a_scale, p.b_scale}, {}}, name + ".scale"));
  Node scaled{name + ".scaled", "Mul", {}, {real, scale}, {}};
  if (!e.has(p.bias)) {
    d.node = std::move(scaled);
    return {};
  }
  QL_TRY(ValueId y, e.emit_one(std::move(scaled), name + ".y"));
  d.node = {name, "Add", {}, {y, p.bias}, {}};
  return {};
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
    QL_TRY(ValueId b, dequantized_bias(d, e, 8, 1.0f));
    conv.inputs.push_back(b);
  }
  QL_TRY(ValueId y, e.emit_one(std::move(conv), d.node.name + ".y"));
  quantize_result(d, e, y, 6);
  return {};
}

// QLinearMatMul(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero)
Status upgrade_qlinear_matmul(Draft& d, Emitter& e) {
  if (d.input_count() != 8) return invalid_model("has ", d.input_count(), " inputs, expected 8");
  for (size_t i : {size_t{0}, size_t{3}})
    if (!e.has(d.node.inputs[i])) return invalid_model("required input ", i, " is absent");
  int64_t a_rank = static_cast<int64_t>(e.type(d.node.inputs[0]).shape.size());
  int64_t b_rank = static_cast<int64_t>(e.type(d.node.inputs[3]).shape.size());
  QL_TRY(ValueId a, dequantized(d, e, 0, std::max<int64_t>(a_rank - 2, 0), "a"));
  QL_TRY(ValueId b, dequantized(d, e, 3, std::max<int64_t>(b_rank - 1, 0), "b"));
  return compute_and_quantize(d, e, {a, b}, 6);
}

// QLinearAdd, QLinearMul(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero)
Status upgrade_qlinear_binary(Draft& d, Emitter& e) {
  QL_TRY(ValueId a, dequantized(d, e, 0, 1, "a"));
  QL_TRY(ValueId b, dequantized(d, e, 3, 1, "b"));
  return compute_and_quantize(d, e, {a, b}, 6);
}

// QLinearSigmoid, QLinearLeakyRelu(x, x_scale, x_zero, y_scale, y_zero)
Status upgrade_qlinear_unary(Draft& d, Emitter& e) {
  QL_TRY(ValueId x, dequantized(d, e, 0, 1, "x"));
  return compute_and_quantize(d, e, {x}, 3);
}

// QLinearAveragePool, QLinearGlobalAveragePool: with channels_last between two transpositions of bytes.
Status upgrade_qlinear_pool(Draft& d, Emitter& e) {
  QL_TRY(std::optional<int64_t> channels_last, take_attr<int64_t>(d.attrs(), "channels_last"));
  if (channels_last.value_or(0) == 0) return upgrade_qlinear_unary(d, e);
  const auto rank = static_cast<int64_t>(e.type(d.node.inputs[0]).shape.size());
  if (rank < 3) return invalid_model("input 0 is ", to_string(e.type(d.node.inputs[0])), ", expected rank 3 or more");
  std::vector<int64_t> first{0, rank - 1}, last{0};
  for (int64_t axis = 1; axis + 1 < rank; ++axis) {
    first.push_back(axis);
    last.push_back(axis + 1);
  }
  last.push_back(1);
  const std::string name = d.node.name;
  auto transposed = [&](ValueId x, const std::vector<int64_t>& perm, const char* what) {
    Node node{cat(name, what), "Transpose", {}, {x}, {}};
    node.attrs.set("perm", perm);
    return node;
  };
  QL_TRY(d.node.inputs[0], e.emit_one(transposed(d.node.inputs[0], first, ".channels_first"), name + ".x_planes"));
  QL_CHECK_OK(upgrade_qlinear_unary(d, e));
  QL_TRY(ValueId y, e.emit_one(std::move(d.node), name + ".y_planes"));
  d.node = transposed(y, last, ".channels_last");
  return {};
}

// QLinearSoftmax names the opset whose Softmax it means.
Status upgrade_qlinear_softmax(Draft& d, Emitter& e) {
  constexpr int64_t kAlongOneAxis = 13;
  QL_TRY(std::optional<int64_t> opset, take_attr<int64_t>(d.attrs(), "opset"));
  QL_TRY(ValueId x, dequantized(d, e, 0, 1, "x"));
  Draft softmax;
  softmax.node = {d.node.name, "Softmax", d.node.attrs, {x}, {}};
  softmax.attrs().set("axis", d.attrs().int_or("axis", -1));  // of either kind
  softmax.version = opset.value_or(kAlongOneAxis) < kAlongOneAxis ? 11 : 13;
  QL_CHECK_OK(upgrade_softmax(softmax, e));
  QL_TRY(ValueId y, e.emit_one(std::move(softmax.node), d.node.name + ".y"));
  quantize_result(d, e, y, 3);
  return {};
}

// QLinearWhere(condition, x, x_scale, x_zero, y, y_scale, y_zero, z_scale, z_zero)
Status upgrade_qlinear_where(Draft& d, Emitter& e) {
  QL_TRY(ValueId x, dequantized(d, e, 1, 1, "x"));
  QL_TRY(ValueId y, dequantized(d, e, 4, 1, "y"));
  return compute_and_quantize(d, e, {d.node.inputs[0], x, y}, 7);
}

// QLinearReduceMean has ReduceMean-11's attribute `axes`.
Status upgrade_qlinear_reduce_mean(Draft& d, Emitter& e) {
  QL_TRY(std::optional<std::vector<int64_t>> axes, take_attr<std::vector<int64_t>>(d.attrs(), "axes"));
  QL_TRY(ValueId x, dequantized(d, e, 0, 1, "x"));
  std::vector<ValueId> inputs{x};
  if (axes) inputs.push_back(e.add_ints(d.node.name + ".axes", *axes));
  return compute_and_quantize(d, e, std::move(inputs), 3);
}

// QLinearConcat(y_scale, y_zero, x0, x0_scale, x0_zero, x1, ...)
Status upgrade_qlinear_concat(Draft& d, Emitter& e) {
  if (d.input_count() < 5 || d.input_count() % 3 != 2)
    return invalid_model("has ", d.input_count(), " inputs, expected 2 and 3 for each part");
  std::vector<ValueId> parts;
  for (size_t at = 2; at < d.input_count(); at += 3) {
    QL_TRY(ValueId part, dequantized(d, e, at, 1, cat("x", at / 3)));
    parts.push_back(part);
  }
  return compute_and_quantize(d, e, std::move(parts), 0);
}

// MatMulIntegerToFloat(a, b, a_scale, b_scale, a_zero, b_zero, bias)
Status upgrade_matmul_integer_to_float(Draft& d, Emitter& e) {
  if (d.input_count() < 4) return invalid_model("has ", d.input_count(), " inputs, expected 4 to 7");
  auto in = [&](size_t i) { return d.node.input(i); };
  auto scalar = [&](size_t i) { return e.has(in(i)) ? e.as_scalar(in(i)) : kNoValue; };
  return float_product(d, e, {in(0), in(1), scalar(2), scalar(3), scalar(4), scalar(5), in(6)});
}

// DynamicQuantizeMatMul(a f32, b, b_scale, b_zero, bias)
Status upgrade_dynamic_quantize_matmul(Draft& d, Emitter& e) {
  if (d.input_count() < 3) return invalid_model("has ", d.input_count(), " inputs, expected 3 to 5");
  auto in = [&](size_t i) { return d.node.input(i); };
  auto scalar = [&](size_t i) { return e.has(in(i)) ? e.as_scalar(in(i)) : kNoValue; };
  const std::string name = d.node.name;
  Node quantize{name + ".quantize", "DynamicQuantizeLinear", {}, {in(0)}, {}};
  const std::string names[] = {name + ".q", name + ".q_scale", name + ".q_zero"};
  QL_TRY(std::vector<ValueId> q, e.emit(std::move(quantize), names));
  return float_product(d, e, {q[0], in(1), q[1], scalar(2), q[2], scalar(3), in(4)});
}

// QGemm(a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero): c is s32 in units of alpha * a_scale * b_scale.
// Without y_scale the result stays f32.
Status upgrade_qgemm(Draft& d, Emitter& e) {
  Node gemm{d.node.name, "Gemm", d.node.attrs, {}, {}};
  QL_TRY(ValueId a, dequantized(d, e, 0, 0, "a"));
  QL_TRY(ValueId b, dequantized(d, e, 3, d.attrs().int_or("transB", 0) != 0 ? 0 : 1, "b"));
  gemm.inputs = {a, b};
  if (e.has(d.node.input(6))) {
    QL_TRY(ValueId c, dequantized_bias(d, e, 6, d.attrs().float_or("alpha", 1)));
    gemm.inputs.push_back(c);
  }
  if (!e.has(d.node.input(7))) {
    d.node = std::move(gemm);
    return {};
  }
  QL_TRY(ValueId y, e.emit_one(std::move(gemm), d.node.name + ".y"));
  quantize_result(d, e, y, 7);
  return {};
}

}  // namespace quadlane
