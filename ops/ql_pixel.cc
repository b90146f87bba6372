// Operators that treat every element alike or every channel alike (QL_OPS.md): ql.Quantize, ql.Dequantize,
// ql.Requantize, ql.PRelu, ql.Lut, ql.Add and ql.Mul. The channel of a [N, C, ...] tensor is axis 1.
#include "ops/check.h"
#include "ops/defs.h"
#include "ops/ql_attrs.h"

namespace quadlane {

namespace {

int64_t channels_of(const Shape& x) { return x.size() > 1 ? x[1] : 1; }

// Calls f(element, channel) for every element of a [N, C, ...] tensor.
template <class F>
void for_channels(const Shape& x, const F& f) {
  int64_t channels = channels_of(x), inner = 1, total = elements(x);
  if (total == 0) return;
  for (size_t i = 2; i < x.size(); ++i) inner *= x[i];
  if (x.size() < 2) inner = total;
  for (int64_t e = 0, plane = 0; e < total; ++plane)
    for (int64_t end = e + inner; e < end; ++e) f(e, plane % channels);
}

// Inputs 1, 2, ... hold one entry, or one for every channel, of the given types.
Status check_lists(const OpContext& ctx, DType x, std::initializer_list<DType> lists) {
  QL_CHECK_OK(expect_dtype(ctx, 0, x));
  size_t i = 1;
  for (DType dtype : lists) {
    QL_CHECK_OK(expect_dtype(ctx, i, dtype));
    QL_CHECK_OK(expect_one_or(ctx, i++, channels_of(ctx.shape(0))));
  }
  return {};
}

Result<std::vector<TensorType>> infer_quantize(const OpContext& ctx) {
  QL_CHECK_OK(check_lists(ctx, DType::f32, {DType::f32, DType::u8}));
  return std::vector<TensorType>{{DType::u8, ctx.shape(0)}};
}
Status eval_quantize(const OpContext& ctx, std::span<const MutView> out) {
  for_channels(ctx.shape(0), [&](int64_t e, int64_t c) {
    out[0].as<uint8_t>()[e] =
        quantize_u8(ctx.inputs[0].as<float>()[e], entry<float>(ctx.inputs[1], c), entry<uint8_t>(ctx.inputs[2], c));
  });
  return {};
}

Result<std::vector<TensorType>> infer_dequantize(const OpContext& ctx) {
  QL_CHECK_OK(check_lists(ctx, DType::u8, {DType::f32, DType::u8}));
  return std::vector<TensorType>{{DType::f32, ctx.shape(0)}};
}
Status eval_dequantize(const OpContext& ctx, std::span<const MutView> out) {
  for_channels(ctx.shape(0), [&](int64_t e, int64_t c) {
    out[0].as<float>()[e] =
        dequantize_u8(ctx.inputs[0].as<uint8_t>()[e], entry<float>(ctx.inputs[1], c), entry<uint8_t>(ctx.inputs[2], c));
  });
  return {};
}

Result<std::vector<TensorType>> infer_requantize(const OpContext& ctx) {
  QL_CHECK_OK(check_lists(ctx, DType::u8, {DType::f32, DType::f32, DType::u8}));
  if (auto range = u8_range_attr(ctx.attrs()); !range.ok()) return range.error();
  return std::vector<TensorType>{ctx.type(0)};
}
Status eval_requantize(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(U8Range range, u8_range_attr(ctx.attrs()));
  for_channels(ctx.shape(0), [&](int64_t e, int64_t c) {
    out[0].as<uint8_t>()[e] = rq(requantized(ctx.inputs[0].as<uint8_t>()[e], entry<uint8_t>(ctx.inputs[3], c),
                                             entry<float>(ctx.inputs[1], c), entry<float>(ctx.inputs[2], c)),
                                 range);
  });
  return {};
}

Status eval_prelu(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(U8Range range, u8_range_attr(ctx.attrs()));
  for_channels(ctx.shape(0), [&](int64_t e, int64_t c) {
    out[0].as<uint8_t>()[e] = rq(prelu_scaled(ctx.inputs[0].as<uint8_t>()[e], entry<uint8_t>(ctx.inputs[3], c),
                                              entry<float>(ctx.inputs[1], c), entry<float>(ctx.inputs[2], c)),
                                 range);
  });
  return {};
}

Result<std::vector<TensorType>> infer_lut(const OpContext& ctx) {
  for (size_t i = 0; i < 2; ++i) QL_CHECK_OK(expect_dtype(ctx, i, DType::u8));
  const bool one = ctx.shape(1) == Shape{256};
  QL_CHECK_OK(expect_shape(ctx, 1, one ? Shape{256} : Shape{channels_of(ctx.shape(0)), 256}));
  return std::vector<TensorType>{ctx.type(0)};
}
Status eval_lut(const OpContext& ctx, std::span<const MutView> out) {
  const uint8_t *x = ctx.inputs[0].as<uint8_t>(), *table = ctx.inputs[1].as<uint8_t>();
  uint8_t* y = out[0].as<uint8_t>();
  const int64_t step = ctx.shape(1).size() == 2 ? 256 : 0;  // from a channel's table to the next
  for_channels(ctx.shape(0), [&](int64_t i, int64_t c) { y[i] = table[c * step + x[i]]; });
  return {};
}

struct AddParams {
  float a_mult = 0, b_mult = 0;
  int32_t a_zero = 0, b_zero = 0;
  U8Range range;
};
Result<AddParams> add_params(const Attrs& attrs) {
  AddParams p;
  QL_TRY(p.a_mult, mult_attr(attrs, "a_mult"));
  QL_TRY(p.b_mult, mult_attr(attrs, "b_mult"));
  QL_TRY(p.a_zero, u8_attr(attrs, "a_zero", 0));
  QL_TRY(p.b_zero, u8_attr(attrs, "b_zero", 0));
  QL_TRY(p.range, u8_range_attr(attrs));
  return p;
}

Result<std::vector<TensorType>> infer_add(const OpContext& ctx) {
  for (size_t i = 0; i < 2; ++i) QL_CHECK_OK(expect_dtype(ctx, i, DType::u8));
  QL_CHECK_OK(expect_shape(ctx, 1, ctx.shape(0)));
  if (auto params = add_params(ctx.attrs()); !params.ok()) return params.error();
  return std::vector<TensorType>{ctx.type(0)};
}
Status eval_add(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(AddParams p, add_params(ctx.attrs()));
  const uint8_t *a = ctx.inputs[0].as<uint8_t>(), *b = ctx.inputs[1].as<uint8_t>();
  for (uint8_t& y : out[0].span<uint8_t>())
    y = rq(scaled_sum(*a++, p.a_zero, p.a_mult, *b++, p.b_zero, p.b_mult), p.range);
  return {};
}

struct MulParams {
  float mult = 0;
  int32_t a_zero = 0, b_zero = 0;
  U8Range range;
};
Result<MulParams> mul_params(const Attrs& attrs) {
  MulParams p;
  QL_TRY(p.mult, mult_attr(attrs, "mult"));
  QL_TRY(p.a_zero, u8_attr(attrs, "a_zero", 0));
  QL_TRY(p.b_zero, u8_attr(attrs, "b_zero", 0));
  QL_TRY(p.range, u8_range_attr(attrs));
  return p;
}

// b has a's shape, or one value for every image and channel: [N,C,1,1].
bool is_per_channel(const Shape& a, const Shape& b) { return a != b && a.size() == 4 && b == Shape{a[0], a[1], 1, 1}; }

Result<std::vector<TensorType>> infer_mul(const OpContext& ctx) {
  for (size_t i = 0; i < 2; ++i) QL_CHECK_OK(expect_dtype(ctx, i, DType::u8));
  if (!is_per_channel(ctx.shape(0), ctx.shape(1))) QL_CHECK_OK(expect_shape(ctx, 1, ctx.shape(0)));
  if (auto params = mul_params(ctx.attrs()); !params.ok()) return params.error();
  return std::vector<TensorType>{ctx.type(0)};
}
Status eval_mul(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(MulParams p, mul_params(ctx.attrs()));
  const Shape& shape = ctx.shape(0);
  int64_t repeat = is_per_channel(shape, ctx.shape(1)) ? shape[2] * shape[3] : 1;
  const uint8_t *a = ctx.inputs[0].as<uint8_t>(), *b = ctx.inputs[1].as<uint8_t>();
  std::span<uint8_t> y = out[0].span<uint8_t>();
  for (size_t i = 0; i < y.size(); ++i)
    y[i] = rq(scaled_product(a[i], p.a_zero, b[static_cast<int64_t>(i) / repeat], p.b_zero, p.mult), p.range);
  return {};
}

}  // namespace

void append_ql_pixel_ops(std::vector<OpDef>& defs) {
  defs.push_back({"ql.Quantize", 3, 3, 1, "", infer_quantize, eval_quantize});
  defs.push_back({"ql.Dequantize", 3, 3, 1, "", infer_dequantize, eval_dequantize});
  defs.push_back({"ql.Requantize", 4, 4, 1, "out_hi out_lo out_zero", infer_requantize, eval_requantize});
  defs.push_back({"ql.PRelu", 4, 4, 1, "out_hi out_lo out_zero", infer_requantize, eval_prelu});
  defs.push_back({"ql.Lut", 2, 2, 1, "", infer_lut, eval_lut});
  defs.push_back({"ql.Add", 2, 2, 1, "a_mult a_zero b_mult b_zero out_hi out_lo out_zero", infer_add, eval_add});
  defs.push_back({"ql.Mul", 2, 2, 1, "a_zero b_zero mult out_hi out_lo out_zero", infer_mul, eval_mul});
}

}  // namespace quadlane
