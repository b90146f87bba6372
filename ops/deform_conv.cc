// DeformConv(x [N, C, H, W], w [O, C/group, kh, kw], offset [N, 2 * og * kh * kw, OH, OW], bias?, mask?), og groups of
// channels having offsets of their own:
//
//   y[n, o, p] = bias[o] + sum over c, k of w[o, c, k] * mask[n, g, k, p] * x[n, c, p * stride - pad + k * dilation
//                + offset[n, g, k, (y, x), p]],  x between pixels bilinear and 0 outside, sums in double
#include "ops/attr.h"
#include "ops/bilinear.h"
#include "ops/check.h"
#include "ops/conv_attrs.h"
#include "ops/dispatch.h"
#include "ops/vision.h"

namespace quadlane {
namespace {

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_same_dtype(ctx));
  QL_CHECK_OK(expect_rank(ctx, 0, 4, 4));
  const Shape &x = ctx.shape(0), &w = ctx.shape(1);
  QL_TRY(ConvAttrs a, conv_attrs(ctx.node, x, w));
  QL_TRY(int64_t groups, int_attr_in(ctx.attrs(), "offset_group", 1, 1, std::max<int64_t>(x[1], 1)));
  if (x[1] % groups != 0) return invalid_model(x[1], " channels do not form ", groups, " offset groups");
  int64_t taps = groups * w[2] * w[3];
  QL_CHECK_OK(expect_shape(ctx, 2, {x[0], 2 * taps, a.out[0], a.out[1]}));
  QL_CHECK_OK(expect_shape(ctx, 3, {w[0]}));
  QL_CHECK_OK(expect_shape(ctx, 4, {x[0], taps, a.out[0], a.out[1]}));
  return std::vector<TensorType>{{ctx.type(0).dtype, window_output_shape(a, x[0], w[0])}};
}

// column[c * taps + k] = the masked value tap k of output pixel (oy, ox) reads in channel c.
template <class T>
void gather(const OpContext& ctx, const ConvAttrs& a, int64_t groups, int64_t n, int64_t oy, int64_t ox,
            std::vector<double>& column) {
  const Shape& x = ctx.shape(0);
  int64_t taps = a.kernel[0] * a.kernel[1], pixels = a.out[0] * a.out[1], at = oy * a.out[1] + ox;
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t k = 0; k < taps; ++k) {
      int64_t tap = (n * groups + g) * taps + k;
      const T* offset = ctx.inputs[2].as<T>() + 2 * tap * pixels + at;
      auto place = [&](size_t axis, int64_t o, int64_t i) {
        return static_cast<double>(o * a.strides[axis] - a.pad_begin(axis) + i * a.dilations[axis]);
      };
      Bilinear read = bilinear_at(place(0, oy, k / a.kernel[1]) + double{offset[0]},
                                  place(1, ox, k % a.kernel[1]) + double{offset[pixels]}, x[2], x[3]);
      double factor = ctx.has(4) ? double{ctx.inputs[4].as<T>()[tap * pixels + at]} : 1;
      for (int64_t c = g * (x[1] / groups); c < (g + 1) * (x[1] / groups); ++c)
        column[static_cast<size_t>(c * taps + k)] =
            factor * read.of(ctx.inputs[0].as<T>() + (n * x[1] + c) * x[2] * x[3]);
    }
}

template <class T>
Status convolve(const OpContext& ctx, const MutView& out) {
  const Shape &x = ctx.shape(0), &w = ctx.shape(1);
  QL_TRY(ConvAttrs a, conv_attrs(ctx.node, x, w));
  int64_t groups = ctx.attrs().int_or("offset_group", 1), pixels = a.out[0] * a.out[1];
  int64_t taps = w[1] * w[2] * w[3];  // of one group
  std::vector<double> column(static_cast<size_t>(x[1] * w[2] * w[3]));
  for (int64_t n = 0; n < x[0]; ++n)
    for (int64_t p = 0; p < pixels; ++p) {
      gather<T>(ctx, a, groups, n, p / a.out[1], p % a.out[1], column);
      for (int64_t o = 0; o < w[0]; ++o) {
        const double* values = column.data() + o / (w[0] / a.group) * taps;
        const T* weights = ctx.inputs[1].as<T>() + o * taps;
        double sum = ctx.has(3) ? double{ctx.inputs[3].as<T>()[o]} : 0;
        for (int64_t i = 0; i < taps; ++i) sum += double{weights[i]} * values[i];
        out.as<T>()[(n * w[0] + o) * pixels + p] = static_cast<T>(sum);
      }
    }
  return {};
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) { return convolve<T>(ctx, out[0]); });
}

}  // namespace

void append_deform_conv_ops(std::vector<OpDef>& defs) {
  defs.push_back(
      {"DeformConv", 3, 5, 1, "dilations group kernel_shape offset_group pads strides", infer, with_half<eval>});
}

}  // namespace quadlane
