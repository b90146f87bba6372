// ql.AveragePool, ql.GlobalAveragePool and ql.DequantizedMean (QL_OPS.md):
//
//   y = rq(float(sum of (x - in_zero) over the taps inside) * m),  m = mult / float(count), rounded to float32
//   y[c] = float(sum of (x - zero[c]) over the map) * (scale[c] / float(count)), in floats
#include <numeric>

#include "ops/check.h"
#include "ops/defs.h"
#include "ops/pool_core.h"
#include "ops/ql_attrs.h"

namespace quadlane {

namespace {

struct Params {
  float mult = 0;
  int32_t in_zero = 0;
  U8Range range;
};

Result<Params> read_params(const Attrs& attrs) {
  Params p;
  QL_TRY(p.mult, mult_attr(attrs, "mult"));
  QL_TRY(p.in_zero, u8_attr(attrs, "in_zero", 0));
  QL_TRY(p.range, u8_range_attr(attrs));
  return p;
}

// The sum of a window must stay exact in int32, in kernels too.
Status check_window(int64_t taps) {
  constexpr int64_t kMaxTaps = int64_t{1} << 23;
  if (taps > kMaxTaps) return unsupported("window of ", taps, " pixels exceeds ", kMaxTaps);
  return {};
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, DType::u8));
  QL_CHECK_OK(expect_rank(ctx, 0, 4, 4));
  if (auto params = read_params(ctx.attrs()); !params.ok()) return params.error();
  return std::vector<TensorType>{ctx.type(0)};
}

Result<std::vector<TensorType>> infer_average(const OpContext& ctx) {
  QL_TRY(auto types, infer(ctx));
  QL_TRY(PoolAttrs a, pool_attrs(ctx.node, ctx.shape(0)));
  QL_CHECK_OK(check_window(a.kernel[0] * a.kernel[1]));
  types[0].shape = window_output_shape(a, ctx.shape(0)[0], ctx.shape(0)[1]);
  return types;
}
Result<std::vector<TensorType>> infer_global(const OpContext& ctx) {
  QL_TRY(auto types, infer(ctx));
  Shape& y = types[0].shape;
  if (y[2] == 0 || y[3] == 0) return invalid_model("input has no pixels: ", to_string(y));
  QL_CHECK_OK(check_window(y[2] * y[3]));
  y[2] = y[3] = 1;
  return types;
}

Status run(const PoolWindows& w, bool count_pads, const OpContext& ctx, const MutView& y) {
  QL_TRY(Params p, read_params(ctx.attrs()));
  pool_planes(
      w, ctx.shape(0)[0] * ctx.shape(0)[1], ctx.inputs[0].as<uint8_t>(), y.as<uint8_t>(), int32_t{0},
      [&](int32_t acc, uint8_t x) { return acc + x - p.in_zero; },
      [&](int64_t, int32_t acc, int64_t inside, int64_t counted) {
        int64_t count = count_pads ? counted : inside;
        float m = count == 0 ? 0.0f : p.mult / static_cast<float>(count);
        return rq(static_cast<float>(acc) * m, p.range);
      });
  return {};
}

Status eval_average(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(PoolAttrs a, pool_attrs(ctx.node, ctx.shape(0)));
  return run(pool_windows(a, ctx.shape(0)), a.count_include_pad, ctx, out[0]);
}
Status eval_global(const OpContext& ctx, std::span<const MutView> out) {
  return run(global_window(ctx.shape(0)), false, ctx, out[0]);
}

Result<std::vector<TensorType>> infer_mean(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, DType::u8));
  QL_CHECK_OK(expect_rank(ctx, 0, 4, 4));
  Shape y = ctx.shape(0);
  for (size_t i : {size_t{1}, size_t{2}}) {
    QL_CHECK_OK(expect_dtype(ctx, i, i == 1 ? DType::f32 : DType::u8));
    QL_CHECK_OK(expect_one_or(ctx, i, y[1]));
  }
  if (y[2] == 0 || y[3] == 0) return invalid_model("input has no pixels: ", to_string(y));
  QL_CHECK_OK(check_window(y[2] * y[3]));
  y[2] = y[3] = 1;
  return std::vector<TensorType>{{DType::f32, y}};
}
Status eval_mean(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& x = ctx.shape(0);
  const uint8_t* from = ctx.inputs[0].as<uint8_t>();
  const int64_t pixels = x[2] * x[3];
  for (int64_t i = 0; i < x[0] * x[1]; ++i, from += pixels) {
    const int64_t c = i % x[1];
    const int32_t sum = std::accumulate(from, from + pixels, int32_t{0}) -
                        static_cast<int32_t>(pixels) * entry<uint8_t>(ctx.inputs[2], c);
    out[0].as<float>()[i] = static_cast<float>(sum) * mean_factor(entry<float>(ctx.inputs[1], c), pixels);
  }
  return {};
}

}  // namespace

void append_ql_pool_ops(std::vector<OpDef>& defs) {
  defs.push_back({"ql.AveragePool", 1, 1, 1,
                  "count_include_pad in_zero kernel_shape mult out_hi out_lo out_zero pads strides",
                  infer_average, eval_average});
  defs.push_back({"ql.DequantizedMean", 3, 3, 1, "", infer_mean, eval_mean});
  defs.push_back({"ql.GlobalAveragePool", 1, 1, 1, "in_zero mult out_hi out_lo out_zero", infer_global, eval_global});
}

}  // namespace quadlane
