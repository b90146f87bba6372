// IsNaN and IsInf: a bool for each floating-point element.
#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"

namespace quadlane {
namespace {

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_TRY([[maybe_unused]] bool negative, bool_attr(ctx.attrs(), "detect_negative", true));
  QL_TRY([[maybe_unused]] bool positive, bool_attr(ctx.attrs(), "detect_positive", true));
  return std::vector<TensorType>{{DType::boolean, ctx.shape(0)}};
}

template <class Test>
Status classify(const OpContext& ctx, const MutView& out, const Test& test) {
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    const T* x = ctx.inputs[0].as<T>();
    for (bool& y : out.span<bool>()) y = test(*x++);
    return {};
  });
}

Status eval_nan(const OpContext& ctx, std::span<const MutView> out) {
  return classify(ctx, out[0], [](auto x) { return std::isnan(x); });
}
Status eval_inf(const OpContext& ctx, std::span<const MutView> out) {
  bool negative = ctx.attrs().int_or("detect_negative", 1) != 0,
       positive = ctx.attrs().int_or("detect_positive", 1) != 0;
  return classify(ctx, out[0], [&](auto x) { return std::isinf(x) && (x < 0 ? negative : positive); });
}

}  // namespace

void append_classify_ops(std::vector<OpDef>& defs) {
  defs.push_back({"IsNaN", 1, 1, 1, "", infer, with_half<eval_nan>});
  defs.push_back({"IsInf", 1, 1, 1, "detect_negative detect_positive", infer, with_half<eval_inf>});
}

}  // namespace quadlane
