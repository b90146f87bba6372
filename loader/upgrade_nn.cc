// Older forms of layers.
#include <algorithm>

#include "loader/four_bits.h"
#include "loader/take_attr.h"
#include "loader/upgrade.h"

namespace quadlane {
namespace {

// Whether output i has a name that something reads.
bool is_wanted(const Draft& d, const Emitter& e, size_t i) {
  return i < d.outputs.size() && !d.outputs[i].empty() && e.is_used(d.outputs[i]);
}

// Drops outputs from `keep` on; `what` says why one that is read is refused.
Status keep_outputs(Draft& d, const Emitter& e, size_t keep, const char* what) {
  for (size_t i = keep; i < d.outputs.size(); ++i)
    if (is_wanted(d, e, i)) return unsupported("output ", i, " '", d.outputs[i], "' is read, ", what);
  if (d.outputs.size() > keep) d.outputs.resize(keep);
  return {};
}

// Drops trailing outputs nobody reads; attribute `outputs` says how many are left when that is more than the first.
void count_outputs(Draft& d, const Emitter& e) {
  while (d.outputs.size() > 1 && !is_wanted(d, e, d.outputs.size() - 1)) d.outputs.pop_back();
  d.attrs().erase("outputs");
  if (d.outputs.size() > 1) d.attrs().set("outputs", static_cast<int64_t>(d.outputs.size()));
}

// Up to version 6 training is the default and an attribute asks for inference.
Status take_is_test(Draft& d) {
  QL_TRY(std::optional<int64_t> is_test, take_attr<int64_t>(d.attrs(), "is_test"));
  if (d.version < 7 && is_test.value_or(0) == 0)
    return unsupported("attribute 'is_test' is 0, only inference is supported");
  return {};
}

// QuantizeLinear to int4 or uint4: to bytes, of which those in the range stay. `type`: by output_dtype, or 0.
Status quantize_to_four_bits(Draft& d, Emitter& e, int64_t type) {
  const std::string name = d.node.name;
  if (d.input_count() < 2 || !e.has(d.node.inputs[1])) return invalid_model("required input 1 is absent");
  if (!e.has(d.node.input(2))) {
    const TensorType zeros{type == kInt4 ? DType::s8 : DType::u8, e.type(d.node.inputs[1]).shape};
    QL_TRY(Tensor zero, Tensor::allocate(zeros));
    d.set_input(2, e.add_constant(name + ".zero", std::move(zero)));
  }
  const DType dtype = e.type(d.node.inputs[2]).dtype;
  const bool is_signed = dtype == DType::s8;
  if ((!is_signed && dtype != DType::u8) || (type != 0 && type != (is_signed ? kInt4 : kUint4)))
    return invalid_model("output_dtype is ", type, ", the zero point is ", to_string(dtype));
  Node quantize{name + ".bytes", "QuantizeLinear", d.node.attrs, d.node.inputs, {}};
  QL_TRY(ValueId bytes, e.emit_one(std::move(quantize), name + ".y"));
  auto bound = [&](const char* what, int value) {
    const auto byte = static_cast<int8_t>(value);
    return e.add_constant(
        name + what, is_signed ? Tensor::scalar<int8_t>(byte) : Tensor::scalar<uint8_t>(static_cast<uint8_t>(byte)));
  };
  const ValueId lo = bound(".lo", is_signed ? -8 : 0), hi = bound(".hi", is_signed ? 7 : 15);
  d.node = Node{name, "Clip", {}, {bytes, lo, hi}, {}};
  d.four_bits = true;
  return {};
}

}  // namespace

// Add-6 and the like: with broadcast = 1 the extents of b are those of a from `axis` on (default: the last ones), so b
// gets extents 1 behind them; without, the shapes are equal.
Status upgrade_broadcast(Draft& d, Emitter& e) {
  QL_TRY(std::optional<int64_t> broadcast, take_attr<int64_t>(d.attrs(), "broadcast"));
  QL_TRY(std::optional<int64_t> axis, take_attr<int64_t>(d.attrs(), "axis"));
  if (d.version >= 7 || d.input_count() != 2 || !e.has(d.node.inputs[1])) return {};
  const Shape &a = e.type(d.node.inputs[0]).shape, &b = e.type(d.node.inputs[1]).shape;
  if (broadcast.value_or(0) == 0) {
    if (a != b) return invalid_model("inputs are ", to_string(a), " and ", to_string(b), " without broadcasting");
    return {};
  }
  if (!axis) return {};
  QL_TRY(size_t first, resolve_axis(*axis, a.size()));
  if (first + b.size() > a.size()) return invalid_model("input 1 has rank ", b.size(), ", too much for axis ", first);
  Shape spread = b;
  spread.resize(a.size() - first, 1);
  if (spread == b) return {};
  ValueId target = e.add_ints(d.node.name + ".shape", spread);
  Node reshape{d.node.name + ".reshape", "Reshape", {}, {d.node.inputs[1], target}, {}};
  QL_TRY(d.node.inputs[1], e.emit_one(std::move(reshape), d.node.name + ".operand"));
  return {};
}

// Gemm-6 broadcasts c only when told so; where the shapes fit the result is the same.
Status upgrade_gemm(Draft& d, Emitter&) {
  if (d.version < 7) d.attrs().erase("broadcast");
  return {};
}

// Clip-6: attributes min, max -> inputs 1, 2 of the input's type.
Status upgrade_clip(Draft& d, Emitter& e) {
  if (d.version >= 11) return {};
  for (const char* bound : {"min", "max"}) {
    QL_TRY(std::optional<float> value, take_attr<float>(d.attrs(), bound));
    if (!value || d.input_count() == 0) continue;
    Tensor tensor;
    switch (e.type(d.node.inputs[0]).dtype) {
      case DType::f32: tensor = Tensor::scalar<float>(*value); break;
      case DType::f64: tensor = Tensor::scalar<double>(*value); break;
      case DType::f16: tensor = Tensor::scalar<Half>(float_to_half(*value)); break;
      default: return invalid_model("input is ", to_string(e.type(d.node.inputs[0])), ", expected a float type");
    }
    d.set_input(bound[1] == 'i' ? 1 : 2, e.add_constant(cat(d.node.name, ".", bound), std::move(tensor)));
  }
  return {};
}

// PRelu-6: a list of slopes has one for each channel.
Status upgrade_prelu(Draft& d, Emitter& e) {
  if (d.version >= 7 || d.input_count() != 2 || !e.has(d.node.inputs[1])) return {};
  const Shape &x = e.type(d.node.inputs[0]).shape, &slope = e.type(d.node.inputs[1]).shape;
  if (slope.size() != 1 || x.size() < 3 || slope[0] != x[1]) return {};
  Shape spread(x.size() - 1, 1);
  spread[0] = slope[0];
  ValueId target = e.add_ints(d.node.name + ".shape", spread);
  Node reshape{d.node.name + ".reshape", "Reshape", {}, {d.node.inputs[1], target}, {}};
  QL_TRY(d.node.inputs[1], e.emit_one(std::move(reshape), d.node.name + ".slope"));
  return {};
}

// Softmax-1, LogSoftmax-1: the input is seen as a matrix [product before axis, product from axis on] and rows are
// normalized; axis defaults to 1. When at most one of the extents from axis on is not 1 that is the canonical form
// along it; otherwise Flatten -> Softmax -> Reshape.
Status upgrade_softmax(Draft& d, Emitter& e) {
  if (d.version >= 13 || d.input_count() != 1) return {};
  QL_TRY(std::optional<int64_t> given, take_attr<int64_t>(d.attrs(), "axis"));
  const Shape shape = e.type(d.node.inputs[0]).shape;
  QL_TRY(size_t axis, resolve_axis(given.value_or(1), shape.size()));
  size_t wide = 0, last_wide = axis;
  for (size_t i = axis; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    ++wide;
    last_wide = i;
  }
  if (wide <= 1) {
    d.attrs().set("axis", static_cast<int64_t>(last_wide));
    return {};
  }
  Node flatten{d.node.name + ".flatten", "Flatten", {}, {d.node.inputs[0]}, {}};
  flatten.attrs.set("axis", static_cast<int64_t>(axis));
  QL_TRY(ValueId matrix, e.emit_one(std::move(flatten), d.node.name + ".matrix"));
  Node rows{d.node.name, d.node.op, {}, {matrix}, {}};
  rows.attrs.set("axis", int64_t{1});
  QL_TRY(ValueId normalized, e.emit_one(std::move(rows), d.node.name + ".rows"));
  ValueId target = e.add_ints(d.node.name + ".shape", shape);
  d.node = Node{d.node.name + ".reshape", "Reshape", {}, {normalized, target}, {}};
  return {};
}

// BatchNormalization-6: is_test; 7: spatial (dropped in 9); 14: training_mode. Momentum concerns training only.
Status upgrade_batch_norm(Draft& d, Emitter& e) {
  QL_TRY(std::optional<int64_t> spatial, take_attr<int64_t>(d.attrs(), "spatial"));
  if (spatial && *spatial != 1) return unsupported("attribute 'spatial' is ", *spatial, ", only 1 is supported");
  QL_TRY(std::optional<int64_t> training, take_attr<int64_t>(d.attrs(), "training_mode"));
  if (training && *training != 0)
    return unsupported("attribute 'training_mode' is ", *training, ", only 0 is supported");
  if (d.version < 7) QL_CHECK_OK(take_is_test(d));
  d.attrs().erase("momentum");
  return keep_outputs(d, e, 1, "outputs for training are not supported");
}

// Dropout in inference is the identity; a mask that is read (bool since 10) is all true.
Status upgrade_dropout(Draft& d, Emitter& e) {
  QL_CHECK_OK(take_is_test(d));
  if (d.input_count() > 2 && e.has(d.node.inputs[2])) {
    const Tensor* training = e.constant(d.node.inputs[2]);
    if (!training || training->dtype() != DType::boolean || training->count() != 1 || training->as<bool>()[0])
      return unsupported("training mode is not known to be false, only inference is supported");
  }
  if (is_wanted(d, e, 1)) {
    if (d.version < 10) return unsupported("output 1 '", d.outputs[1], "' is read, masks are supported since opset 10");
    QL_TRY(Tensor mask, Tensor::allocate({DType::boolean, e.type(d.node.inputs[0]).shape}));
    std::fill_n(mask.mutate<bool>(), mask.count(), true);
    e.bind_constant(d.outputs[1], std::move(mask));
  }
  d.outputs.resize(std::min<size_t>(d.outputs.size(), 1));
  d.node.op = "Identity";
  d.node.attrs = {};
  d.node.inputs.resize(1);
  return {};
}

// MaxPool-8: the order of the indices matters only where they are read.
Status upgrade_max_pool(Draft& d, Emitter& e) {
  count_outputs(d, e);
  if (d.outputs.size() < 2) d.attrs().erase("storage_order");
  return {};
}

Status upgrade_layer_norm(Draft& d, Emitter& e) {
  count_outputs(d, e);
  return {};
}

// GridSample-16 names its modes after images.
Status upgrade_grid_sample(Draft& d, Emitter&) {
  std::string mode = d.attrs().string_or("mode", "linear");
  if (mode == "bilinear") d.attrs().set("mode", std::string("linear"));
  if (mode == "bicubic") d.attrs().set("mode", std::string("cubic"));
  return {};
}

// RoiAlign-10 does not shift regions.
Status upgrade_roi_align(Draft& d, Emitter&) {
  if (d.version < 16) d.attrs().set("coordinate_transformation_mode", std::string("output_half_pixel"));
  return {};
}

// GroupNormalization-18 has a scale and a bias for each group: [G] -> [G,1] -> [G,C/G] -> [C].
Status upgrade_group_norm(Draft& d, Emitter& e) {
  if (d.version >= 21 || d.input_count() != 3) return {};
  const Shape x = e.type(d.node.inputs[0]).shape;
  int64_t groups = d.attrs().int_or("num_groups", 0);
  if (x.size() < 2 || groups < 1 || x[1] % groups != 0) return {};  // the operator says what is wrong
  const std::vector<int64_t> steps[] = {{groups, 1}, {groups, x[1] / groups}, {x[1]}};
  for (size_t i : {size_t{1}, size_t{2}}) {
    if (!e.has(d.node.inputs[i]) || e.type(d.node.inputs[i]).shape != Shape{groups})
      return invalid_model("input ", i, " is not one value for each of ", groups, " groups");
    for (size_t s = 0; s < 3; ++s) {
      ValueId target = e.add_ints(cat(d.node.name, ".shape", s), steps[s]);
      Node node{
          cat(d.node.name, ".spread", i, "_", s), s == 1 ? "Expand" : "Reshape", {}, {d.node.inputs[i], target}, {}};
      QL_TRY(d.node.inputs[i], e.emit_one(std::move(node), cat(d.node.name, i == 1 ? ".scale" : ".bias")));
    }
  }
  return {};
}

// QuantizeLinear, DequantizeLinear: what 19, 21 and 23 added is either its default or for types we do not have.
Status upgrade_quantize(Draft& d, Emitter& e) {
  for (size_t i = 1; i < std::min<size_t>(d.input_count(), 3); ++i) d.node.inputs[i] = e.as_scalar(d.node.inputs[i]);
  d.attrs().erase("saturate");
  QL_TRY(std::optional<int64_t> precision, take_attr<int64_t>(d.attrs(), "precision"));
  if (precision && *precision > 1)
    return unsupported("attribute 'precision' is ", *precision, ", only float (1) is supported");
  // DequantizeLinear-23 may name its output's type, QuantizeLinear-21 the type a missing zero point would have.
  QL_TRY(std::optional<int64_t> type, take_attr<int64_t>(d.attrs(), "output_dtype"));
  if (d.node.op == "QuantizeLinear" && (d.four_bits || type == kUint4 || type == kInt4))
    return quantize_to_four_bits(d, e, type.value_or(0));
  if (!type || *type == 0) return {};
  if (d.node.op == "DequantizeLinear" && *type != 1)
    return unsupported("attribute 'output_dtype' is ", *type, ", only float (1) is supported");
  if (d.node.op == "QuantizeLinear") d.attrs().set("output_dtype", *type);
  return {};
}

}  // namespace quadlane
