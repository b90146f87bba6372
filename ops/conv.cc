// Conv and ConvTranspose on f32, 1 to 3 spatial dimensions:
//
//   Conv           y[n,o,p] = bias[o] + sum over c, k of w[o,c,k] * x[n, c, p * stride + k * dilation - pad]
//   ConvTranspose  y[n,o,p] = bias[o] + sum over c, k, q with q * stride + k * dilation - pad = p of w[c,o,k] *
//   x[n,c,q]
//
// Sums are doubles, rounded once at the end.
#include "ops/check.h"
#include "ops/conv_core.h"
#include "ops/defs.h"

namespace quadlane {

namespace {

Result<std::vector<TensorType>> infer(const OpContext& ctx, bool transposed) {
  for (size_t i = 0; i < 3; ++i) QL_CHECK_OK(expect_dtype(ctx, i, DType::f32));
  const Shape &x = ctx.shape(0), &w = ctx.shape(1);
  QL_TRY(ConvAttrs a, transposed ? conv_transpose_attrs(ctx.node, x, w) : conv_attrs(ctx.node, x, w));
  int64_t channels = transposed ? w[1] * a.group : w[0];
  QL_CHECK_OK(expect_shape(ctx, 2, {channels}));
  return std::vector<TensorType>{{DType::f32, window_output_shape(a, x[0], channels)}};
}

void run(const TapSum& t, const OpContext& ctx, const MutView& y) {
  const float* bias = ctx.has(2) ? ctx.inputs[2].as<float>() : nullptr;
  int64_t channels = t.group * t.group_o, pixels = t.out_pixels();
  sum_taps(
      t, ctx.inputs[0].as<float>(), ctx.inputs[1].as<float>(), [](float x, int64_t) { return double{x}; },
      [&](int64_t image, int64_t o, int64_t first, int64_t count, const double* sums) {
        float* dst = y.as<float>() + (image * channels + o) * pixels + first;
        double b = bias ? double{bias[o]} : 0.0;
        for (int64_t i = 0; i < count; ++i) dst[i] = static_cast<float>(sums[i] + b);
      });
}

Result<std::vector<TensorType>> infer_conv(const OpContext& ctx) { return infer(ctx, false); }
Result<std::vector<TensorType>> infer_conv_transpose(const OpContext& ctx) { return infer(ctx, true); }

Status eval_conv(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(ConvAttrs a, conv_attrs(ctx.node, ctx.shape(0), ctx.shape(1)));
  run(conv_taps(a, ctx.shape(0), ctx.shape(1)), ctx, out[0]);
  return {};
}
Status eval_conv_transpose(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(ConvAttrs a, conv_transpose_attrs(ctx.node, ctx.shape(0), ctx.shape(1)));
  run(conv_transpose_taps(a, ctx.shape(0), ctx.shape(1)), ctx, out[0]);
  return {};
}

}  // namespace

void append_conv_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Conv", 2, 3, 1, "auto_pad dilations group kernel_shape pads strides", infer_conv, eval_conv});
  defs.push_back({"ConvTranspose", 2, 3, 1,
                  "auto_pad dilations group kernel_shape output_padding output_shape pads strides",
                  infer_conv_transpose, eval_conv_transpose});
}

}  // namespace quadlane
