// ql.Conv and ql.ConvTranspose (QL_OPS.md): convolution with everything that can be merged into it. Before the sum a
// clamp and an offset per input channel; behind it scale, residual, rounding to u8, or an activation in f32.
//
// The sums are doubles: exact for the integers, whatever the int32 accumulator of a kernel holds comes out.
#include "ops/attr.h"
#include "ops/check.h"
#include "ops/conv_core.h"
#include "ops/defs.h"
#include "ops/ql_attrs.h"
#include "ops/rounding.h"

namespace quadlane {

namespace {

enum Input : size_t { kX, kW, kBias, kMult, kZ, kLo, kHi, kResidual, kXScale, kXZero, kShift, kSlope };

struct Epilogue {
  DType dtype = DType::f32;
  U8Range range;
  float residual_mult = 0;
  int32_t residual_zero = 0;
  F32Activation act;
};

Result<Epilogue> read_epilogue(const OpContext& ctx) {
  Epilogue e;
  QL_TRY(std::string dtype, string_attr(ctx.attrs(), "dtype", ctx.type(kX).dtype == DType::u8 ? "u8" : "f32"));
  if (dtype != "u8" && dtype != "f32") return invalid_model("dtype is '", dtype, "', expected u8 or f32");
  if (dtype == "u8" && ctx.type(kX).dtype == DType::f32) return unsupported("dtype is u8 for an f32 input");
  e.dtype = dtype == "u8" ? DType::u8 : DType::f32;
  QL_TRY(e.range, u8_range_attr(ctx.attrs()));
  QL_TRY(e.residual_mult, float_attr(ctx.attrs(), "residual_mult", 0));
  QL_TRY(e.residual_zero, u8_attr(ctx.attrs(), "residual_zero", 0));
  QL_TRY(e.act, f32_activation(ctx.attrs()));
  return e;
}

Status check_operands(const OpContext& ctx, int64_t in_channels, int64_t out_channels) {
  DType x = ctx.type(kX).dtype;
  QL_CHECK_OK(expect_dtype(ctx, kX, {DType::u8, DType::f32}));
  if (x == DType::u8)
    QL_CHECK_OK(expect_dtype(ctx, kW, {DType::s8, DType::s16}));
  else
    QL_CHECK_OK(expect_dtype(ctx, kW, DType::f32));
  QL_CHECK_OK(expect_dtype(ctx, kBias, x == DType::u8 ? DType::s32 : DType::f32));
  QL_CHECK_OK(expect_shape(ctx, kBias, {out_channels}));
  if (ctx.has(kMult) != (x == DType::u8))
    return invalid_model(x == DType::u8 ? "input 3 (mult) is absent" : "input 3 (mult) is given for an f32 input");
  QL_CHECK_OK(expect_dtype(ctx, kMult, DType::f32));
  QL_CHECK_OK(expect_shape(ctx, kMult, {out_channels}));
  for (size_t i : {kZ, kLo, kHi}) {
    QL_CHECK_OK(expect_dtype(ctx, i, x));
    QL_CHECK_OK(expect_shape(ctx, i, {in_channels}));
  }
  return {};
}

// A scale and zero point of the input that are known at run time, and what is added behind the scale.
Status check_dynamic(const OpContext& ctx, DType out, int64_t out_channels) {
  if (ctx.has(kXScale) != ctx.has(kXZero)) return invalid_model("inputs 8 (x_scale) and 9 (x_zero) come together");
  if (!ctx.has(kXScale) && !ctx.has(kShift)) return {};
  if (ctx.type(kX).dtype != DType::u8 || out != DType::f32)
    return invalid_model("x_scale, x_zero and shift are for u8 inputs and f32 outputs");
  if (ctx.has(kXScale) && (ctx.has(kZ) || ctx.has(kLo) || ctx.has(kHi)))
    return invalid_model("x_zero stands in the place of z, lo and hi");
  QL_CHECK_OK(expect_dtype(ctx, kXScale, DType::f32));
  QL_CHECK_OK(expect_shape(ctx, kXScale, {}));
  QL_CHECK_OK(expect_dtype(ctx, kXZero, DType::u8));
  QL_CHECK_OK(expect_shape(ctx, kXZero, {}));
  QL_CHECK_OK(expect_dtype(ctx, kShift, DType::f32));
  return expect_shape(ctx, kShift, {out_channels});
}

// What a negative value is multiplied by, one factor for each output.
Status check_slope(const OpContext& ctx, const Epilogue& e, int64_t out_channels) {
  if (!ctx.has(kSlope)) return {};
  if (e.act.kind != F32Activation::Kind::none) return invalid_model("input 11 (slope) and act are both given");
  if (ctx.has(kXScale) || ctx.has(kResidual))
    return invalid_model("input 11 (slope) is given with an x_scale or a residual");
  QL_CHECK_OK(expect_dtype(ctx, kSlope, DType::f32));
  return expect_shape(ctx, kSlope, {out_channels});
}

// Weights of 16 bits are differences of two bytes: the kernels split them into two of 8.
Status check_weight_range(const OpContext& ctx) {
  const View* w = ctx.known(kW);
  if (!w || w->type->dtype != DType::s16) return {};
  for (int64_t i = 0; i < w->type->count(); ++i)
    if (std::abs(int{w->as<int16_t>()[i]}) > 255)
      return invalid_model("weight ", i, " is ", w->as<int16_t>()[i], ", expected -255..255");
  return {};
}

Result<std::vector<TensorType>> infer(const OpContext& ctx, bool transposed) {
  const Shape &x = ctx.shape(kX), &w = ctx.shape(kW);
  QL_CHECK_OK(expect_rank(ctx, kX, 4, 4));
  QL_TRY(ConvAttrs a, transposed ? conv_transpose_attrs(ctx.node, x, w) : conv_attrs(ctx.node, x, w));
  int64_t channels = transposed ? w[1] * a.group : w[0];
  QL_CHECK_OK(check_operands(ctx, x[1], channels));
  QL_CHECK_OK(check_weight_range(ctx));
  QL_TRY(Epilogue e, read_epilogue(ctx));
  QL_CHECK_OK(check_dynamic(ctx, e.dtype, channels));
  QL_CHECK_OK(check_slope(ctx, e, channels));
  Shape y = window_output_shape(a, x[0], channels);
  QL_CHECK_OK(expect_dtype(ctx, kResidual, e.dtype));
  QL_CHECK_OK(expect_shape(ctx, kResidual, y));
  return std::vector<TensorType>{{e.dtype, y}};
}

// clamp(x, lo[c], hi[c]) - z[c]
template <class X>
struct Load {
  const X *z = nullptr, *lo = nullptr, *hi = nullptr;
  double x_zero = 0;
  explicit Load(const OpContext& ctx) {
    if (ctx.has(kXZero)) x_zero = static_cast<double>(*ctx.inputs[kXZero].as<uint8_t>());
    if (ctx.has(kZ)) z = ctx.inputs[kZ].as<X>();
    if (ctx.has(kLo)) lo = ctx.inputs[kLo].as<X>();
    if (ctx.has(kHi)) hi = ctx.inputs[kHi].as<X>();
  }
  double operator()(X x, int64_t c) const {
    if (lo && x < lo[c]) x = lo[c];
    if (hi && x > hi[c]) x = hi[c];
    return static_cast<double>(x) - (z ? static_cast<double>(z[c]) : x_zero);
  }
};

// v < 0 ? v * slope[o] : v where there are slopes.
struct Slope {
  const float* of = nullptr;
  explicit Slope(const OpContext& ctx) : of(ctx.has(kSlope) ? ctx.inputs[kSlope].as<float>() : nullptr) {}
  float operator()(float v, int64_t o) const { return of && v < 0 ? v * of[o] : v; }
};

void run_f32(const TapSum& t, const OpContext& ctx, const Epilogue& e, float* y) {
  const float* bias = ctx.inputs[kBias].as<float>();
  const float* residual = ctx.has(kResidual) ? ctx.inputs[kResidual].as<float>() : nullptr;
  const Slope slope(ctx);
  int64_t channels = t.group * t.group_o, pixels = t.out_pixels();
  sum_taps(t, ctx.inputs[kX].as<float>(), ctx.inputs[kW].as<float>(), Load<float>(ctx),
           [&](int64_t image, int64_t o, int64_t first, int64_t count, const double* sums) {
             int64_t at = (image * channels + o) * pixels + first;
             for (int64_t i = 0; i < count; ++i, ++at) {
               float v = static_cast<float>(sums[i] + double{bias[o]});
               y[at] = slope(e.act(residual ? v + residual[at] : v), o);
             }
           });
}

template <class W>
void run_u8(const TapSum& t, const OpContext& ctx, const Epilogue& e, void* y) {
  const int32_t* bias = ctx.inputs[kBias].as<int32_t>();
  const float* shift = ctx.has(kShift) ? ctx.inputs[kShift].as<float>() : nullptr;
  std::vector<float> mult(ctx.inputs[kMult].as<float>(), ctx.inputs[kMult].as<float>() + ctx.type(kMult).count());
  if (ctx.has(kXScale))
    for (float& m : mult) m *= *ctx.inputs[kXScale].as<float>();
  const View* residual = ctx.known(kResidual);
  const Slope slope(ctx);
  int64_t channels = t.group * t.group_o, pixels = t.out_pixels();
  auto finish = [&](int64_t image, int64_t o, int64_t first, int64_t count, const double* sums) {
    int64_t at = (image * channels + o) * pixels + first;
    const float m = mult[static_cast<size_t>(o)];
    for (int64_t i = 0; i < count; ++i, ++at) {
      // Through uint32: a sum that left int32 wraps around here as it does in the kernels.
      int32_t acc = static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(sums[i]) + bias[o]));
      if (e.dtype == DType::f32) {
        float v = conv_scaled(acc, m);
        if (shift) v = v + shift[o];
        static_cast<float*>(y)[at] = slope(e.act(residual ? v + residual->as<float>()[at] : v), o);
      } else {
        float v = residual ? conv_scaled(acc, m, residual->as<uint8_t>()[at], e.residual_mult, e.residual_zero)
                           : conv_scaled(acc, m);
        static_cast<uint8_t*>(y)[at] = rq(slope(v, o), e.range);
      }
    }
  };
  sum_taps(t, ctx.inputs[kX].as<uint8_t>(), ctx.inputs[kW].as<W>(), Load<uint8_t>(ctx), finish);
}

Status eval(const OpContext& ctx, const MutView& y, const TapSum& t) {
  QL_TRY(Epilogue e, read_epilogue(ctx));
  if (ctx.type(kX).dtype == DType::f32) {
    run_f32(t, ctx, e, y.as<float>());
  } else if (ctx.type(kW).dtype == DType::s8) {
    run_u8<int8_t>(t, ctx, e, y.data);
  } else {
    run_u8<int16_t>(t, ctx, e, y.data);
  }
  return {};
}

Result<std::vector<TensorType>> infer_conv(const OpContext& ctx) { return infer(ctx, false); }
Result<std::vector<TensorType>> infer_conv_transpose(const OpContext& ctx) { return infer(ctx, true); }

Status eval_conv(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(ConvAttrs a, conv_attrs(ctx.node, ctx.shape(kX), ctx.shape(kW)));
  return eval(ctx, out[0], conv_taps(a, ctx.shape(kX), ctx.shape(kW)));
}
Status eval_conv_transpose(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(ConvAttrs a, conv_transpose_attrs(ctx.node, ctx.shape(kX), ctx.shape(kW)));
  return eval(ctx, out[0], conv_transpose_taps(a, ctx.shape(kX), ctx.shape(kW)));
}

}  // namespace

void append_ql_conv_ops(std::vector<OpDef>& defs) {
  defs.push_back({"ql.Conv", 3, 12, 1,
                  "act act_hi act_lo alpha beta dilations dtype group out_hi out_lo out_zero pads residual_mult "
                  "residual_zero strides",
                  infer_conv, eval_conv});
  defs.push_back(
      {"ql.ConvTranspose", 3, 7, 1,
       "act act_hi act_lo alpha beta dilations dtype group out_hi out_lo out_zero output_padding pads strides",
       infer_conv_transpose, eval_conv_transpose});
}

}  // namespace quadlane
