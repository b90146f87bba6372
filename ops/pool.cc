// MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool.
//
//   max       y = the largest pixel of the window inside the input; nothing inside: the lowest value of the type.
//             With attribute `outputs` 2 (the loader's) also where the first such pixel is: its index in the whole
//             tensor, rows or (storage_order 1) columns of pixels being contiguous; nothing inside: -1.
//   average   y = sum of the pixels inside / count, count = taps inside, or with count_include_pad those inside the
//             padded input (taps that ceil_mode lets run beyond it never count); no taps: 0. Sums are doubles.
#include <limits>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/pool_core.h"
#include "ops/pool_ops.h"

namespace quadlane {

namespace {

Result<std::vector<TensorType>> infer_pool(const OpContext& ctx) {
  QL_TRY(PoolAttrs a, pool_attrs(ctx.node, ctx.shape(0)));
  return std::vector<TensorType>{{ctx.type(0).dtype, window_output_shape(a, ctx.shape(0)[0], ctx.shape(0)[1])}};
}
Status check_max(const OpContext& ctx) {
  return expect_dtype(ctx, 0, {DType::f32, DType::f64, DType::f16, DType::u8, DType::s8});
}
Result<std::vector<TensorType>> infer_max_pool(const OpContext& ctx) {
  QL_CHECK_OK(check_max(ctx));
  QL_TRY(int64_t outputs, int_attr_in(ctx.attrs(), "outputs", 1, 1, 2));
  QL_TRY([[maybe_unused]] bool columns, bool_attr(ctx.attrs(), "storage_order", false));
  QL_TRY(auto types, infer_pool(ctx));
  if (outputs == 2) types.push_back({DType::s64, types[0].shape});
  return types;
}
Result<std::vector<TensorType>> infer_average_pool(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  return infer_pool(ctx);
}

Result<std::vector<TensorType>> infer_global_average(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  return infer_global_pool(ctx);
}
Result<std::vector<TensorType>> infer_global_max(const OpContext& ctx) {
  QL_CHECK_OK(check_max(ctx));
  return infer_global_pool(ctx);
}

template <class T>
void run_max(const PoolWindows& w, const OpContext& ctx, const MutView& y) {
  using Limits = std::numeric_limits<T>;
  T lowest = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  pool_planes(
      w, ctx.shape(0)[0] * ctx.shape(0)[1], ctx.inputs[0].as<T>(), y.as<T>(), lowest,
      [](T acc, T x) { return x > acc ? x : acc; }, [](int64_t, T acc, int64_t, int64_t) { return acc; });
}
// f(T{}) with the element types of max pools (f16 has been widened).
template <class F>
void dispatch_max_type(DType dtype, F f) {
  switch (dtype) {
    case DType::u8: f(uint8_t{}); break;
    case DType::s8: f(int8_t{}); break;
    default: dispatch_float(dtype, f);
  }
}
Status dispatch_max(const PoolWindows& w, const OpContext& ctx, const MutView& y) {
  dispatch_max_type(ctx.type(0).dtype, [&]<class T>(T) { run_max<T>(w, ctx, y); });
  return {};
}

// The position in the whole tensor of every window's first largest pixel.
template <class T>
void run_arg_max(const PoolWindows& w, const OpContext& ctx, bool columns, int64_t* index) {
  int64_t planes = ctx.shape(0)[0] * ctx.shape(0)[1];
  const T* x = ctx.inputs[0].as<T>();
  auto position = [&](int64_t i, int64_t j, int64_t k) {
    return columns ? i + (j + k * w.in[1]) * w.in[0] : (i * w.in[1] + j) * w.in[2] + k;
  };
  for (int64_t plane = 0; plane < planes; ++plane, x += w.in_pixels())
    for (const AxisWindow& wz : w.axes[0])
      for (const AxisWindow& wy : w.axes[1])
        for (const AxisWindow& wx : w.axes[2]) {
          const T* best = nullptr;
          *index = -1;
          for (int64_t z = 0, i = wz.first; z < wz.taps; ++z, i += w.step[0])
            for (int64_t v = 0, j = wy.first; v < wy.taps; ++v, j += w.step[1])
              for (int64_t h = 0, k = wx.first; h < wx.taps; ++h, k += w.step[2]) {
                const T* pixel = x + (i * w.in[1] + j) * w.in[2] + k;
                if (best && !(*pixel > *best)) continue;
                best = pixel;
                *index = plane * w.in_pixels() + position(i, j, k);
              }
          ++index;
        }
}

Status run_average(const PoolWindows& w, bool count_pads, const OpContext& ctx, const MutView& y) {
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    pool_planes(
        w, ctx.shape(0)[0] * ctx.shape(0)[1], ctx.inputs[0].as<T>(), y.as<T>(), 0.0,
        [](double acc, T x) { return acc + double{x}; },
        [&](int64_t, double acc, int64_t inside, int64_t counted) {
          int64_t count = count_pads ? counted : inside;
          return count == 0 ? T{0} : static_cast<T>(acc / static_cast<double>(count));
        });
    return {};
  });
}

Status eval_max_pool(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(PoolAttrs a, pool_attrs(ctx.node, ctx.shape(0)));
  PoolWindows w = pool_windows(a, ctx.shape(0));
  if (out.size() > 1) {
    bool columns = ctx.attrs().int_or("storage_order", 0) != 0;
    dispatch_max_type(ctx.type(0).dtype, [&]<class T>(T) { run_arg_max<T>(w, ctx, columns, out[1].as<int64_t>()); });
  }
  return dispatch_max(w, ctx, out[0]);
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

Result<std::vector<TensorType>> infer_global_pool(const OpContext& ctx) {
  QL_CHECK_OK(expect_rank(ctx, 0, 3, kMaxRank));
  TensorType y = ctx.type(0);
  for (size_t i = 2; i < y.shape.size(); ++i) {
    if (y.shape[i] == 0) return invalid_model("input has no pixels: ", to_string(y.shape));
    y.shape[i] = 1;
  }
  return std::vector<TensorType>{y};
}

void append_pool_ops(std::vector<OpDef>& defs) {
  defs.push_back({"MaxPool", 1, 1, -1, "auto_pad ceil_mode dilations kernel_shape outputs pads storage_order strides",
                  infer_max_pool, with_half<eval_max_pool>});
  defs.push_back({"AveragePool", 1, 1, 1, "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides",
                  infer_average_pool, with_half<eval_average_pool>});
  defs.push_back({"GlobalMaxPool", 1, 1, 1, "", infer_global_max, with_half<eval_global_max>});
  defs.push_back({"GlobalAveragePool", 1, 1, 1, "", infer_global_average, with_half<eval_global_average>});
  append_lp_pool_ops(defs);
  append_unpool_ops(defs);
}

}  // namespace quadlane
