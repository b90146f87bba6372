// The operators of dynamic quantization, exactly as ONNX defines them:
//
//   DynamicQuantizeLinear  y = saturate(round_half_even(x / scale) + zero), with the range of x (dynamic_scale.h)
//   ConvInteger            y[n,o,p] = sum over c, k of (w[o,c,k] - w_zero[o]) * (x[n,c,p*s+k*d-pad] - x_zero), s32
//   MatMulInteger          y[..., i, j] = sum over k of (a[..., i, k] - a_zero[i]) * (b[..., k, j] - b_zero[j]), s32
//
// A tap in the padding counts 0. Sums are doubles, exact for integers of this size; what leaves int32 wraps around.
#include "engine/base/dynamic_scale.h"
#include "ops/check.h"
#include "ops/conv_core.h"
#include "ops/defs.h"
#include "ops/matmul_core.h"
#include "ops/rounding.h"

namespace quadlane {

namespace {

int32_t wrapped(double sum) { return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(sum))); }

// --- DynamicQuantizeLinear -------------------------------------------------------------------------------------------

Result<std::vector<TensorType>> infer_dynamic(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, DType::f32));
  return std::vector<TensorType>{{DType::u8, ctx.shape(0)}, {DType::f32, {}}, {DType::u8, {}}};
}

Status eval_dynamic(const OpContext& ctx, std::span<const MutView> out) {
  const float* x = ctx.inputs[0].as<float>();
  const int64_t count = ctx.type(0).count();
  float lo = 0, hi = 0;
  for (int64_t i = 0; i < count; ++i) {
    lo = std::min(lo, x[i]);
    hi = std::max(hi, x[i]);
  }
  const DynamicScale d = dynamic_scale(lo, hi);
  if (out.size() > 1) *out[1].as<float>() = d.scale;
  if (out.size() > 2) *out[2].as<uint8_t>() = d.zero;
  for (int64_t i = 0; i < count; ++i) {
    const float v = x[i] / d.scale;
    out[0].as<uint8_t>()[i] = v != v ? d.zero : rq(v, d.zero, 0, 255);
  }
  return {};
}

// --- integer operands ------------------------------------------------------------------------------------------------

// Element e minus its zero point, the one at (e / inner) % count: the exact small integers as T.
template <class T>
std::vector<T> without_zero(const View& x, const View* zero, int64_t inner) {
  const int64_t total = x.type->count(), count = zero ? zero->type->count() : 1;
  std::vector<int32_t> zeros(static_cast<size_t>(count), 0);
  for (int64_t i = 0; zero && i < count; ++i)
    zeros[static_cast<size_t>(i)] = static_cast<int32_t>(element_as_int(*zero, i));
  std::vector<T> values(static_cast<size_t>(total));
  for (int64_t e = 0; e < total; ++e)
    values[static_cast<size_t>(e)] =
        static_cast<T>(element_as_int(x, e) - zeros[static_cast<size_t>(count == 1 ? 0 : e / inner % count)]);
  return values;
}

// Operands are u8 or s8, zero points have their operand's type and 1 element or one for each of `entries`.
Status check_operand(const OpContext& ctx, size_t operand, size_t zero, int64_t entries) {
  QL_CHECK_OK(expect_dtype(ctx, operand, {DType::u8, DType::s8}));
  QL_CHECK_OK(expect_dtype(ctx, zero, ctx.type(operand).dtype));
  if (!ctx.has(zero) || ctx.shape(zero).empty()) return {};
  return expect_one_or(ctx, zero, entries);
}

// --- ConvInteger -----------------------------------------------------------------------------------------------------

Result<std::vector<TensorType>> infer_conv(const OpContext& ctx) {
  QL_TRY(ConvAttrs a, conv_attrs(ctx.node, ctx.shape(0), ctx.shape(1)));
  QL_CHECK_OK(check_operand(ctx, 0, 2, 1));
  QL_CHECK_OK(check_operand(ctx, 1, 3, ctx.shape(1)[0]));
  return std::vector<TensorType>{{DType::s32, window_output_shape(a, ctx.shape(0)[0], ctx.shape(1)[0])}};
}

Status eval_conv(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(ConvAttrs a, conv_attrs(ctx.node, ctx.shape(0), ctx.shape(1)));
  const TapSum t = conv_taps(a, ctx.shape(0), ctx.shape(1));
  const auto x = without_zero<int16_t>(ctx.inputs[0], ctx.known(2), 1);
  const auto w = without_zero<int16_t>(ctx.inputs[1], ctx.known(3), t.group_c * t.taps());
  const int64_t channels = t.group * t.group_o, pixels = t.out_pixels();
  sum_taps(
      t, x.data(), w.data(), [](int16_t v, int64_t) { return static_cast<double>(v); },
      [&](int64_t image, int64_t o, int64_t first, int64_t count, const double* sums) {
        int32_t* y = out[0].as<int32_t>() + (image * channels + o) * pixels + first;
        for (int64_t i = 0; i < count; ++i) y[i] = wrapped(sums[i]);
      });
  return {};
}

// --- MatMulInteger ---------------------------------------------------------------------------------------------------

Result<std::vector<TensorType>> infer_matmul(const OpContext& ctx) {
  QL_TRY(MatMulShape s, matmul_shape(ctx.shape(0), ctx.shape(1)));
  QL_CHECK_OK(check_operand(ctx, 0, 2, s.a[s.a.size() - 2]));
  QL_CHECK_OK(check_operand(ctx, 1, 3, s.b.back()));
  return std::vector<TensorType>{{DType::s32, s.y}};
}

Status eval_matmul(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(MatMulShape s, matmul_shape(ctx.shape(0), ctx.shape(1)));
  const auto a = without_zero<float>(ctx.inputs[0], ctx.known(2), s.a.back());
  const auto b = without_zero<float>(ctx.inputs[1], ctx.known(3), 1);
  multiply_matrices(s, a.data(), b.data(), [&](int64_t at, double sum) { out[0].as<int32_t>()[at] = wrapped(sum); });
  return {};
}

}  // namespace

void append_integer_ops(std::vector<OpDef>& defs) {
  defs.push_back({"DynamicQuantizeLinear", 1, 1, 3, "", infer_dynamic, eval_dynamic});
  defs.push_back({"ConvInteger", 2, 4, 1, "auto_pad dilations group kernel_shape pads strides", infer_conv, eval_conv});
  defs.push_back({"MatMulInteger", 2, 4, 1, "", infer_matmul, eval_matmul});
}

}  // namespace quadlane
