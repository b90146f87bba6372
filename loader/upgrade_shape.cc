// Older forms of the operators that move elements or compute shapes: attributes that became inputs.
#include <algorithm>
#include <cmath>
#include <limits>

#include "loader/take_attr.h"
#include "loader/upgrade.h"

namespace quadlane {
namespace {

using Ints = std::vector<int64_t>;

// Moves an attribute that is a list of integers to input `i`; leaves both alone when the attribute is absent.
Status ints_to_input(Draft& d, Emitter& e, const std::string& attr, size_t i) {
  QL_TRY(std::optional<Ints> values, take_attr<Ints>(d.attrs(), attr));
  if (!values) return {};
  if (i < d.input_count() && e.has(d.node.inputs[i]))
    return invalid_model("has both attribute '", attr, "' and input ", i);
  d.set_input(i, e.add_ints(cat(d.node.name, ".", attr), *values));
  return {};
}

// A float as one element of an integer type, which must hold it.
template <class T>
Result<Tensor> integer_scalar(double value) {
  const double end = std::ldexp(1.0, std::numeric_limits<T>::digits), first = std::is_signed_v<T> ? -end : 0.0;
  if (!(value >= first && value < end))
    return invalid_model("attribute 'value' is ", value, ", which ", to_string(dtype_of<T>()), " does not hold");
  return Tensor::scalar<T>(static_cast<T>(value));
}

Result<Tensor> scalar_of(DType dtype, double value) {
  switch (dtype) {
    case DType::f32: return Tensor::scalar<float>(static_cast<float>(value));
    case DType::f64: return Tensor::scalar<double>(value);
    case DType::f16: return Tensor::scalar<Half>(float_to_half(static_cast<float>(value)));
    case DType::u8: return integer_scalar<uint8_t>(value);
    case DType::s8: return integer_scalar<int8_t>(value);
    case DType::u16: return integer_scalar<uint16_t>(value);
    case DType::s16: return integer_scalar<int16_t>(value);
    case DType::s32: return integer_scalar<int32_t>(value);
    case DType::u32: return integer_scalar<uint32_t>(value);
    case DType::s64: return integer_scalar<int64_t>(value);
    case DType::u64: return integer_scalar<uint64_t>(value);
    case DType::boolean: return Tensor::scalar<bool>(value != 0);
  }
  return Tensor();
}

// Half-precision targets of Cast are widened with everything else.
int64_t widened(int64_t onnx_type, const Emitter& e) {
  constexpr int64_t kFloat = 1, kFloat16 = 10, kBFloat16 = 16;
  return e.widen_half() && (onnx_type == kFloat16 || onnx_type == kBFloat16) ? kFloat : onnx_type;
}

int64_t onnx_number(DType dtype) {
  switch (dtype) {
    case DType::f32: return 1;
    case DType::u8: return 2;
    case DType::s8: return 3;
    case DType::u16: return 4;
    case DType::s16: return 5;
    case DType::s32: return 6;
    case DType::s64: return 7;
    case DType::boolean: return 9;
    case DType::f16: return 10;
    case DType::f64: return 11;
    case DType::u32: return 12;
    case DType::u64: return 13;
  }
  return 0;
}

// A cast to the type it has, as widening leaves many, is the identity.
void set_target(Draft& d, const Emitter& e, int64_t onnx_type) {
  if (onnx_number(e.type(d.node.inputs[0]).dtype) == onnx_type)
    d.node.op = "Identity";
  else
    d.attrs().set("to", onnx_type);
}

}  // namespace

// Squeeze-1, Unsqueeze-1 (< 13), ReduceSum-1 (< 13), the other reductions (< 18): attribute axes -> input 1.
Status upgrade_axes_attribute(Draft& d, Emitter& e) { return ints_to_input(d, e, "axes", 1); }

// Split-2: attribute split -> input 1 (13). Without lengths the parts are equal; since 18 their number is an attribute.
Status upgrade_split(Draft& d, Emitter& e) {
  QL_CHECK_OK(ints_to_input(d, e, "split", 1));
  bool lengths = d.input_count() > 1 && e.has(d.node.inputs[1]);
  int64_t parts = static_cast<int64_t>(d.outputs.size());
  if (lengths) {
    if (d.attrs().has("num_outputs")) return invalid_model("has both attribute 'num_outputs' and input 1");
    return {};
  }
  if (d.input_count() > 1) d.node.inputs.resize(1, kNoValue);
  if (d.version >= 18) {
    QL_TRY(std::optional<int64_t> given, take_attr<int64_t>(d.attrs(), "num_outputs"));
    if (!given) return invalid_model("has neither attribute 'num_outputs' nor input 1");
    if (*given != parts)
      return invalid_model("attribute 'num_outputs' is ", *given, ", the node has ", parts, " outputs");
  } else if (d.input_count() == 1) {
    QL_TRY(std::optional<int64_t> axis, take_attr<int64_t>(d.attrs(), "axis"));
    const Shape& shape = e.type(d.node.inputs[0]).shape;
    QL_TRY(size_t at, resolve_axis(axis.value_or(0), shape.size()));
    if (parts == 0 || shape[at] % parts != 0)
      return invalid_model("extent ", shape[at], " cannot be split into ", parts, " equal parts");
    d.attrs().set("axis", static_cast<int64_t>(at));
  }
  d.attrs().set("num_outputs", parts);
  return {};
}

// Slice-1: attributes starts, ends, axes -> inputs 1, 2, 3.
Status upgrade_slice(Draft& d, Emitter& e) {
  if (d.version >= 10) return {};
  QL_CHECK_OK(ints_to_input(d, e, "starts", 1));
  QL_CHECK_OK(ints_to_input(d, e, "ends", 2));
  return ints_to_input(d, e, "axes", 3);
}

// Pad-2: attributes pads, value -> inputs 1, 2.
Status upgrade_pad(Draft& d, Emitter& e) {
  if (d.version >= 11) return {};
  QL_CHECK_OK(ints_to_input(d, e, "pads", 1));
  QL_TRY(std::optional<float> value, take_attr<float>(d.attrs(), "value"));
  if (!value || *value == 0 || d.input_count() == 0) return {};
  QL_TRY(Tensor filling, scalar_of(e.type(d.node.inputs[0]).dtype, *value));
  d.set_input(2, e.add_constant(d.node.name + ".value", std::move(filling)));
  return {};
}

// Shape: always a constant, because every type is static. Since 15 it may take a part.
Status upgrade_shape(Draft& d, Emitter& e) {
  QL_TRY(std::optional<int64_t> start, take_attr<int64_t>(d.attrs(), "start"));
  QL_TRY(std::optional<int64_t> end, take_attr<int64_t>(d.attrs(), "end"));
  if (d.input_count() != 1 || d.outputs.size() != 1) return invalid_model("expected one input and one output");
  const Shape& shape = e.type(d.node.inputs[0]).shape;
  int64_t rank = static_cast<int64_t>(shape.size());
  auto clamped = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  int64_t from = clamped(start.value_or(0)), to = std::max(from, clamped(end.value_or(rank)));
  Ints extents(shape.begin() + from, shape.begin() + to);
  e.bind_constant(d.outputs[0], Tensor::from<int64_t>({to - from}, extents));
  d.finished = true;
  return {};
}

Status upgrade_size(Draft& d, Emitter& e) {
  if (d.input_count() != 1 || d.outputs.size() != 1) return invalid_model("expected one input and one output");
  e.bind_constant(d.outputs[0], Tensor::scalar<int64_t>(e.type(d.node.inputs[0]).count()));
  d.finished = true;
  return {};
}

// Constant: the tensor of whichever attribute is there.
Status upgrade_constant(Draft& d, Emitter& e) {
  auto it = d.node.attrs.begin();
  if (it == d.node.attrs.end() || std::next(it) != d.node.attrs.end() || d.outputs.size() != 1)
    return invalid_model("expected one attribute and one output");
  const auto& [name, value] = *it;
  Tensor tensor;
  if (const Tensor* t = std::get_if<Tensor>(&value); t && name == "value")
    tensor = *t;
  else if (auto* f = std::get_if<float>(&value); f && name == "value_float")
    tensor = Tensor::scalar<float>(*f);
  else if (auto* i = std::get_if<int64_t>(&value); i && name == "value_int")
    tensor = Tensor::scalar<int64_t>(*i);
  else if (auto* fs = std::get_if<std::vector<float>>(&value); fs && name == "value_floats")
    tensor = Tensor::from<float>({static_cast<int64_t>(fs->size())}, *fs);
  else if (auto* is = std::get_if<Ints>(&value); is && name == "value_ints")
    tensor = Tensor::from<int64_t>({static_cast<int64_t>(is->size())}, *is);
  else
    return unsupported("attribute '", name, "' is unknown or of another kind than its name says");
  e.bind_constant(d.outputs[0], std::move(tensor), d.four_bits);
  d.finished = true;
  return {};
}

// Cast-19: saturate matters for 8-bit floats only, which are refused anyway.
Status upgrade_cast(Draft& d, Emitter& e) {
  d.attrs().erase("saturate");
  d.attrs().erase("round_mode");
  QL_TRY(std::optional<int64_t> to, take_attr<int64_t>(d.attrs(), "to"));
  if (!to) return invalid_model("attribute 'to' is missing");
  set_target(d, e, widened(*to, e));
  return {};
}

// CastLike(x, y) -> Cast(x) to y's type.
Status upgrade_cast_like(Draft& d, Emitter& e) {
  if (d.input_count() != 2 || !e.has(d.node.inputs[1])) return invalid_model("expected two inputs");
  d.attrs().erase("saturate");
  d.attrs().erase("round_mode");
  int64_t to = onnx_number(e.type(d.node.inputs[1]).dtype);
  d.node.op = "Cast";
  d.node.inputs.pop_back();
  set_target(d, e, to);
  return {};
}

// Scatter-9 is ScatterElements.
Status upgrade_scatter(Draft& d, Emitter&) {
  d.node.op = "ScatterElements";
  return {};
}

// TopK-1: attribute k -> input 1.
Status upgrade_topk(Draft& d, Emitter& e) {
  QL_TRY(std::optional<int64_t> k, take_attr<int64_t>(d.attrs(), "k"));
  if (k) d.set_input(1, e.add_ints(d.node.name + ".k", {*k}));
  return {};
}

}  // namespace quadlane
