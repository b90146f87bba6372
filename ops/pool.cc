// MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool.
//
//   max       y = the largest pixel of the window inside the input; nothing inside: the lowest value of the type
//   average   y = sum of the pixels inside / count, count = taps inside, or with count_include_pad those inside the
//             padded input (taps that ceil_mode lets run beyond it never count); no taps: 0. Sums are doubles.
#include <limits>

#include "ops/check.h"
#include "ops/defs.h"
#include "ops/pool_core.h"

namespace quadlane {

namespace {

Status single_output(const OpContext& ctx) {
  if (ctx.node.outputs.size() > 1)
    return unsupported("has ", ctx.node.outputs.size(), " outputs, only the first (without indices) is supported");
  return {};
}

Result<std::vector<TensorType>> infer_pool(const OpContext& ctx) {
  QL_CHECK_OK(single_output(ctx));
  QL_TRY(PoolAttrs a, pool_attrs(ctx.node, ctx.shape(0)));
  return std::vector<TensorType>{{ctx.type(0).dtype, window_output_shape(a, ctx.shape(0)[0], ctx.shape(0)[1])}};
}
Result<std::vector<TensorType>> infer_max_pool(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, {DType::f32, DType::u8, DType::s8}));
  return infer_pool(ctx);
}
Result<std::vector<TensorType>> infer_average_pool(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, DType::f32));
  return infer_pool(ctx);
}

Result<std::vector<TensorType>> infer_global(const OpContext& ctx) {
  QL_CHECK_OK(expect_rank(ctx, 0, 3, kMaxRank));
  TensorType y = ctx.type(0);
  for (size_t i = 2; i < y.shape.size(); ++i) {
    if (y.shape[i] == 0) return invalid_model("input has no pixels: ", to_string(y.shape));
    y.shape[i] = 1;
  }
  return std::vector<TensorType>{y};
}
Result<std::vector<TensorType>> infer_global_average(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, DType::f32));
  return infer_global(ctx);
}
Result<std::vector<TensorType>> infer_global_max(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, {DType::f32, DType::u8, DType::s8}));
  return infer_global(ctx);
}

template <class T>
void run_max(const PoolWindows& w, const OpContext& ctx, const MutView& y) {
  using Limits = std::numeric_limits<T>;
  T lowest = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  pool_planes(
      w, ctx.shape(0)[0] * ctx.shape(0)[1], ctx.inputs[0].as<T>(), y.as<T>(), lowest,
      [](T acc, T x) { return x > acc ? x : acc; }, [](int64_t, T acc, int64_t, int64_t) { return acc; });
}
Status dispatch_max(const PoolWindows& w, const OpContext& ctx, const MutView& y) {
  switch (ctx.type(0).dtype) {
    case DType::u8: run_max<uint8_t>(w, ctx, y); break;
    case DType::s8: run_max<int8_t>(w, ctx, y); break;
    default: run_max<float>(w, ctx, y); break;
  }
  return {};
}

Status run_average(const PoolWindows& w, bool count_pads, const OpContext& ctx, const MutView& y) {
  pool_planes(
      w, ctx.shape(0)[0] * ctx.shape(0)[1], ctx.inputs[0].as<float>(), y.as<float>(), 0.0,
      [](double acc, float x) { return acc + double{x}; },
      [&](int64_t, double acc, int64_t inside, int64_t counted) {
        int64_t count = count_pads ? counted : inside;
        return count == 0 ? 0.0f : static_cast<float>(acc / static_cast<double>(count));
      });
  return {};
}

Status eval_max_pool(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(PoolAttrs a, pool_attrs(ctx.node, ctx.shape(0)));
  return dispatch_max(pool_windows(a, ctx.shape(0)), ctx, out[0]);
}
Status eval_average_pool(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(PoolAttrs a, pool_attrs(ctx.node, ctx.shape(0)));
  return run_average(pool_windows(a, ctx.shape(0)), a.count_include_pad, ctx, out[0]);
}
Status eval_global_max(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_max(global_window(ctx.shape(0)), ctx, out[0]);
}
Status eval_global_average(const OpContext& ctx, std::span<const MutView> out) {
  return run_average(global_window(ctx.shape(0)), false, ctx, out[0]);
}

}  // namespace

void append_pool_ops(std::vector<OpDef>& defs) {
  // storage_order only concerns the indices output.
  defs.push_back({"MaxPool", 1, 1, 1, "auto_pad ceil_mode dilations kernel_shape pads storage_order strides",
                  infer_max_pool, eval_max_pool});
  defs.push_back({"AveragePool", 1, 1, 1, "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides",
                  infer_average_pool, eval_average_pool});
  defs.push_back({"GlobalMaxPool", 1, 1, 1, "", infer_global_max, eval_global_max});
  defs.push_back({"GlobalAveragePool", 1, 1, 1, "", infer_global_average, eval_global_average});
}

}  // namespace quadlane
