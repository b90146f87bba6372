// LpNormalization along one axis and MeanVarianceNormalization over several, in double:
//
//   Lp             y = x / (sum of |x|^p)^(1/p), p = 1 or 2; 0 where the norm is 0
//   mean variance  y = (x - mean) / (sqrt(variance) + 1e-9), biased variance
#include <cmath>

#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/norm_ops.h"
#include "ops/reduce_layout.h"
#include "ops/shape_inputs.h"

namespace quadlane {
namespace {

// Calls f(offset of an element) for every element that output i reduces.
template <class F>
void for_group(const ReduceLayout& layout, int64_t i, const F& f) {
  for (int64_t r = 0; r < layout.runs(); ++r)
    for (int64_t k = 0, at = layout.output_offset(i) + layout.run_offset(r); k < layout.run().n;
         ++k, at += layout.run().step)
      f(at);
}

Result<std::vector<TensorType>> infer_lp(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_TRY([[maybe_unused]] size_t axis, axis_attr(ctx, -1, ctx.shape(0).size()));
  QL_TRY([[maybe_unused]] int64_t p, int_attr_in(ctx.attrs(), "p", 2, 1, 2));
  return std::vector<TensorType>{ctx.type(0)};
}
Status eval_lp(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(size_t axis, axis_attr(ctx, -1, ctx.shape(0).size()));
  std::vector<bool> reduced(ctx.shape(0).size());
  reduced[axis] = true;
  ReduceLayout layout(ctx.shape(0), reduced);
  bool squares = ctx.attrs().int_or("p", 2) == 2;
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    const T* x = ctx.inputs[0].as<T>();
    for (int64_t i = 0; i < layout.outputs(); ++i) {
      double norm = 0;
      for_group(layout, i,
                [&](int64_t at) { norm += squares ? double{x[at]} * double{x[at]} : std::abs(double{x[at]}); });
      if (squares) norm = std::sqrt(norm);
      for_group(layout, i, [&](int64_t at) { out[0].as<T>()[at] = norm == 0 ? T{0} : static_cast<T>(x[at] / norm); });
    }
    return {};
  });
}

Result<std::vector<bool>> averaged_axes(const OpContext& ctx) {
  size_t rank = ctx.shape(0).size();
  QL_TRY(auto listed, ints_attr(ctx.attrs(), "axes", {0, 2, 3}));
  QL_TRY(std::vector<size_t> axes, normalize_axes(listed, rank));
  std::vector<bool> reduced(rank);
  for (size_t axis : axes) reduced[axis] = true;
  return reduced;
}
Result<std::vector<TensorType>> infer_mean_variance(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_TRY([[maybe_unused]] std::vector<bool> reduced, averaged_axes(ctx));
  return std::vector<TensorType>{ctx.type(0)};
}
Status eval_mean_variance(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(std::vector<bool> reduced, averaged_axes(ctx));
  ReduceLayout layout(ctx.shape(0), reduced);
  auto n = static_cast<double>(layout.reduced());
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    const T* x = ctx.inputs[0].as<T>();
    for (int64_t i = 0; i < layout.outputs(); ++i) {
      double sum = 0, squares = 0;
      for_group(layout, i, [&](int64_t at) { sum += double{x[at]}; });
      double mean = sum / n;
      for_group(layout, i, [&](int64_t at) { squares += (x[at] - mean) * (x[at] - mean); });
      double divisor = std::sqrt(squares / n) + 1e-9;
      for_group(layout, i, [&](int64_t at) { out[0].as<T>()[at] = static_cast<T>((x[at] - mean) / divisor); });
    }
    return {};
  });
}

}  // namespace

void append_axis_norm_ops(std::vector<OpDef>& defs) {
  defs.push_back({"LpNormalization", 1, 1, 1, "axis p", infer_lp, with_half<eval_lp>});
  defs.push_back({"MeanVarianceNormalization", 1, 1, 1, "axes", infer_mean_variance, with_half<eval_mean_variance>});
}

}  // namespace quadlane
