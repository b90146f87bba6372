// LpPool and GlobalLpPool: y = (sum over the window's pixels inside the image of |x|^p)^(1/p), sums in double.
#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/pool_core.h"
#include "ops/pool_ops.h"

namespace quadlane {
namespace {

Result<int64_t> power_of(const OpContext& ctx) {
  QL_TRY(int64_t p, int_attr_in(ctx.attrs(), "p", 2, 1, 1024));
  return p;
}

Result<std::vector<TensorType>> infer_window(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_TRY([[maybe_unused]] int64_t p, power_of(ctx));
  QL_TRY(PoolAttrs a, pool_attrs(ctx.node, ctx.shape(0)));
  return std::vector<TensorType>{{ctx.type(0).dtype, window_output_shape(a, ctx.shape(0)[0], ctx.shape(0)[1])}};
}
Result<std::vector<TensorType>> infer_global(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_TRY([[maybe_unused]] int64_t p, power_of(ctx));
  return infer_global_pool(ctx);
}

Status run(const PoolWindows& w, const OpContext& ctx, const MutView& y) {
  QL_TRY(int64_t power, power_of(ctx));
  auto p = static_cast<double>(power);
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    pool_planes(
        w, ctx.shape(0)[0] * ctx.shape(0)[1], ctx.inputs[0].as<T>(), y.as<T>(), 0.0,
        [&](double acc, T x) { return acc + std::pow(std::abs(double{x}), p); },
        [&](int64_t, double acc, int64_t, int64_t) { return static_cast<T>(std::pow(acc, 1 / p)); });
    return {};
  });
}

Status eval_window(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(PoolAttrs a, pool_attrs(ctx.node, ctx.shape(0)));
  return run(pool_windows(a, ctx.shape(0)), ctx, out[0]);
}
Status eval_global(const OpContext& ctx, std::span<const MutView> out) {
  return run(global_window(ctx.shape(0)), ctx, out[0]);
}

}  // namespace

void append_lp_pool_ops(std::vector<OpDef>& defs) {
  defs.push_back({"LpPool", 1, 1, 1, "auto_pad ceil_mode dilations kernel_shape p pads strides", infer_window,
                  with_half<eval_window>});
  defs.push_back({"GlobalLpPool", 1, 1, 1, "p", infer_global, with_half<eval_global>});
}

}  // namespace quadlane
