// Min, Max, Sum, Mean of any number of inputs, with broadcasting: a fold over the inputs from the left.
#include "ops/binary.h"
#include "ops/elementwise.h"

namespace quadlane {
namespace {

template <class T>
void copy_run(const Run& run) {
  for (int64_t i = 0; i < run.n; ++i) run.out<T>()[i] = run.in<T>(0)[i * run.step[0]];
}

void fold(const OpContext& ctx, const MutView& out, RunFn fn) {
  RunFn copy = dispatch_bits(out.type->dtype, []<class T>(T) -> RunFn { return copy_run<T>; });
  for_each_run(ctx.inputs.first(1), out, copy);
  for (size_t i = 1; i < ctx.inputs.size(); ++i) {
    const View inputs[] = {out, ctx.inputs[i]};
    for_each_run(inputs, out, fn);
  }
}

template <class Op>
Status eval_extreme(const OpContext& ctx, std::span<const MutView> out) {
  fold(ctx, out[0], number_run<Op>(out[0].type->dtype));
  return {};
}

Status eval_sum(const OpContext& ctx, std::span<const MutView> out) {
  fold(ctx, out[0], out[0].type->dtype == DType::f64 ? binary_run<AddOp, double> : binary_run<AddOp, float>);
  return {};
}

Status eval_mean(const OpContext& ctx, std::span<const MutView> out) {
  QL_CHECK_OK(eval_sum(ctx, out));
  return dispatch_float(out[0].type->dtype, [&]<class T>(T) -> Status {
    for (T& value : out[0].span<T>()) value /= static_cast<T>(ctx.inputs.size());
    return {};
  });
}

template <Types Allowed>
Result<std::vector<TensorType>> infer_variadic(const OpContext& ctx) {
  for (size_t i = 0; i < ctx.inputs.size(); ++i)
    if (!ctx.has(i)) return invalid_model("input ", i, " is absent, every input is required");
  return infer_broadcast<Allowed>(ctx);
}

}  // namespace

void append_variadic_ops(std::vector<OpDef>& defs) {
  auto numbers = infer_variadic<Types::numbers>;
  auto floats = infer_variadic<Types::floats>;
  defs.insert(defs.end(), {
                              {"Min", 1, -1, 1, "", numbers, with_half<eval_extreme<MinOp>>},
                              {"Max", 1, -1, 1, "", numbers, with_half<eval_extreme<MaxOp>>},
                              {"Sum", 1, -1, 1, "", floats, with_half<eval_sum>},
                              {"Mean", 1, -1, 1, "", floats, with_half<eval_mean>},
                          });
}

}  // namespace quadlane
