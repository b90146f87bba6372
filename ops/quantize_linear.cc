// QuantizeLinear and DequantizeLinear, per tensor, per axis or per block along an axis, exactly as ONNX defines them:
//
//   quantize    y = saturate(round_half_even(x / scale) + zero), x f32, y u8, s8, u16 or s16: a float32 division
//   dequantize  y = float(x - zero) * scale, x one of these or s32
//
// NaN quantizes to the zero point, as in ql.Quantize.
#include <limits>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/defs.h"
#include "ops/rounding.h"

namespace quadlane {

namespace {

// x is [outer, extent, inner] around the axis; element (o, e, i) has the scale and zero point number
// e when there is one for each slice, ((o * blocks) + e / block) * inner + i with blocks of slices.
struct Grid {
  int64_t count = 1, inner = 1;
  int64_t block = 0, extent = 1, blocks = 1;

  int64_t blocked_entry(int64_t element) const {
    int64_t i = element % inner, e = element / inner % extent, o = element / inner / extent;
    return (o * blocks + e / block) * inner + i;
  }
};

// block_size > 0: the scale has x's shape but for the axis, where it has one entry for each block.
Result<Grid> blocked_grid(const OpContext& ctx, int64_t axis, int64_t block) {
  const Shape& x = ctx.shape(0);
  QL_TRY(axis, normalize_axis(axis, static_cast<int64_t>(x.size())));
  auto at = static_cast<size_t>(axis);
  Grid g{0, 1, block, x[at], (x[at] + block - 1) / block};
  Shape expected = x;
  expected[at] = g.blocks;
  if (ctx.shape(1) != expected)
    return invalid_model("scale has shape ", to_string(ctx.shape(1)), ", blocks of ", block, " along axis ", axis,
                         " need ", to_string(expected));
  for (size_t i = at + 1; i < x.size(); ++i) g.inner *= x[i];
  return g;
}

Result<Grid> grid_of(const OpContext& ctx) {
  const Shape &x = ctx.shape(0), &scale = ctx.shape(1);
  QL_TRY(int64_t axis, int_attr(ctx.attrs(), "axis", 1));
  QL_TRY(int64_t block, int_attr_in(ctx.attrs(), "block_size", 0, 0, kMaxElements));
  if (block > 0) return blocked_grid(ctx, axis, block);
  Grid g;
  if (scale.empty()) return g;
  if (scale.size() > 1) return unsupported("scale has shape ", to_string(scale), ", expected rank 0 or 1");
  if (scale[0] == 1 && (x.empty() || axis >= static_cast<int64_t>(x.size()))) return g;
  QL_TRY(axis, normalize_axis(axis, static_cast<int64_t>(x.size())));
  if (scale[0] == 1) return g;
  if (scale[0] != x[static_cast<size_t>(axis)])
    return invalid_model("scale has ", scale[0], " entries, axis ", axis, " of the input has ",
                         x[static_cast<size_t>(axis)]);
  g.count = scale[0];
  for (size_t i = static_cast<size_t>(axis) + 1; i < x.size(); ++i) g.inner *= x[i];
  return g;
}

Status check_parameters(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 1, DType::f32));
  QL_CHECK_OK(expect_shape(ctx, 2, ctx.shape(1)));
  if (auto grid = grid_of(ctx); !grid.ok()) return grid.error();
  return {};
}

// output_dtype holds ONNX's number of a type; 0, the default, leaves it to the zero point.
Result<std::optional<DType>> declared_type(const OpContext& ctx) {
  QL_TRY(int64_t number, int_attr(ctx.attrs(), "output_dtype", 0));
  switch (number) {
    case 0: return std::optional<DType>();
    case 2: return std::optional(DType::u8);
    case 3: return std::optional(DType::s8);
    case 4: return std::optional(DType::u16);
    case 5: return std::optional(DType::s16);
    default: return unsupported("output_dtype is ", number, ", expected 2 (u8), 3 (s8), 4 (u16) or 5 (s16)");
  }
}

Result<std::vector<TensorType>> infer_quantize(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, DType::f32));
  QL_CHECK_OK(expect_dtype(ctx, 2, {DType::u8, DType::s8, DType::u16, DType::s16}));
  QL_CHECK_OK(check_parameters(ctx));
  QL_TRY(std::optional<DType> declared, declared_type(ctx));
  DType dtype = ctx.has(2) ? ctx.type(2).dtype : declared.value_or(DType::u8);
  if (declared && *declared != dtype)
    return invalid_model("output_dtype is ", to_string(*declared), ", the zero point is ", to_string(dtype));
  return std::vector<TensorType>{{dtype, ctx.shape(0)}};
}

Result<std::vector<TensorType>> infer_dequantize(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, {DType::u8, DType::s8, DType::u16, DType::s16, DType::s32}));
  QL_CHECK_OK(expect_dtype(ctx, 2, ctx.type(0).dtype));
  QL_CHECK_OK(check_parameters(ctx));
  return std::vector<TensorType>{{DType::f32, ctx.shape(0)}};
}

// Calls f(element, its entry in scale and zero point) for every element.
template <class F>
void for_elements(const OpContext& ctx, const Grid& g, const F& f) {
  int64_t total = ctx.type(0).count();
  if (g.block > 0) {
    for (int64_t e = 0; e < total; ++e) f(e, g.blocked_entry(e));
    return;
  }
  for (int64_t e = 0, c = 0; e < total; c = (c + 1) % g.count) {
    int64_t end = g.count == 1 ? total : e + g.inner;
    for (; e < end; ++e) f(e, c);
  }
}

template <class Y>
void quantize(const OpContext& ctx, const Grid& g, Y* y) {
  const float *x = ctx.inputs[0].as<float>(), *scale = ctx.inputs[1].as<float>();
  const Y* zeros = ctx.has(2) ? ctx.inputs[2].as<Y>() : nullptr;
  for_elements(ctx, g, [&](int64_t e, int64_t c) {
    int32_t zero = zeros ? zeros[c] : 0;
    float v = x[e] / scale[c];
    float lo = static_cast<float>(std::numeric_limits<Y>::lowest() - zero);
    float hi = static_cast<float>(std::numeric_limits<Y>::max() - zero);
    v = v != v ? 0.0f : v < lo ? lo : v > hi ? hi : v;
    y[e] = static_cast<Y>(zero + round_half_even(v));
  });
}

template <class X>
void dequantize(const OpContext& ctx, const Grid& g, float* y) {
  const X* x = ctx.inputs[0].as<X>();
  const float* scale = ctx.inputs[1].as<float>();
  const X* zeros = ctx.has(2) ? ctx.inputs[2].as<X>() : nullptr;
  for_elements(ctx, g, [&](int64_t e, int64_t c) {
    int64_t difference = int64_t{x[e]} - (zeros ? int64_t{zeros[c]} : 0);
    y[e] = static_cast<float>(difference) * scale[c];
  });
}

Status eval_quantize(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Grid g, grid_of(ctx));
  switch (out[0].type->dtype) {
    case DType::s8: quantize(ctx, g, out[0].as<int8_t>()); break;
    case DType::u16: quantize(ctx, g, out[0].as<uint16_t>()); break;
    case DType::s16: quantize(ctx, g, out[0].as<int16_t>()); break;
    default: quantize(ctx, g, out[0].as<uint8_t>()); break;
  }
  return {};
}

Status eval_dequantize(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Grid g, grid_of(ctx));
  float* y = out[0].as<float>();
  switch (ctx.type(0).dtype) {
    case DType::u8: dequantize<uint8_t>(ctx, g, y); break;
    case DType::s8: dequantize<int8_t>(ctx, g, y); break;
    case DType::u16: dequantize<uint16_t>(ctx, g, y); break;
    case DType::s16: dequantize<int16_t>(ctx, g, y); break;
    default: dequantize<int32_t>(ctx, g, y); break;
  }
  return {};
}

}  // namespace

void append_quantize_ops(std::vector<OpDef>& defs) {
  // saturate only concerns 8-bit floats.
  defs.push_back({"QuantizeLinear", 2, 3, 1, "axis block_size output_dtype saturate", infer_quantize, eval_quantize});
  defs.push_back({"DequantizeLinear", 2, 3, 1, "axis block_size", infer_dequantize, eval_dequantize});
}

}  // namespace quadlane
