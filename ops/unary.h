// Operators that map each element by itself: y[i] = Op::apply(x[i]) for a stateless Op.
#pragma once

#include "ops/dispatch.h"

namespace quadlane {

template <Types Allowed>
Result<std::vector<TensorType>> infer_same(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Allowed));
  return std::vector<TensorType>{ctx.type(0)};
}

template <class Op, class T>
Status map_elements(const Op& op, const View& x, const MutView& y) {
  const T* src = x.as<T>();
  T* dst = y.as<T>();
  for (int64_t i = 0, n = x.type->count(); i < n; ++i) dst[i] = op.apply(src[i]);
  return {};
}

template <class Op>
Status eval_unary_float(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) { return map_elements<Op, T>({}, ctx.inputs[0], out[0]); });
}
template <class Op>
Status eval_unary_number(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_number(ctx.type(0).dtype, [&]<class T>(T) { return map_elements<Op, T>({}, ctx.inputs[0], out[0]); });
}

template <class Op>
OpDef unary_float(std::string_view name) {
  return {name, 1, 1, 1, "", infer_same<Types::floats>, with_half<eval_unary_float<Op>>};
}
template <class Op, Types Allowed = Types::numbers>
OpDef unary_number(std::string_view name) {
  return {name, 1, 1, 1, "", infer_same<Allowed>, with_half<eval_unary_number<Op>>};
}

}  // namespace quadlane
