// Equal, Less, LessOrEqual, Greater, GreaterOrEqual, And, Or, Xor, Where with broadcasting.
#include "engine/base/truth.h"
#include "ops/binary.h"
#include "ops/elementwise.h"

namespace quadlane {
namespace {

struct EqualOp {
  template <class T>
  static bool apply(T a, T b) {
    return a == b;
  }
};
struct LessOp {
  template <class T>
  static bool apply(T a, T b) {
    return a < b;
  }
};
struct LessOrEqualOp {
  template <class T>
  static bool apply(T a, T b) {
    return a <= b;
  }
};
struct AndOp {
  static bool apply(bool a, bool b) { return a && b; }
};
struct OrOp {
  static bool apply(bool a, bool b) { return a || b; }
};
struct SameOp {
  static bool apply(bool a, bool b) { return a == b; }
};
struct XorOp {
  static bool apply(bool a, bool b) { return a != b; }
};

template <Types Allowed>
Result<std::vector<TensorType>> infer_predicate(const OpContext& ctx) {
  QL_TRY(auto types, infer_broadcast<Allowed>(ctx));
  types[0].dtype = DType::boolean;
  return types;
}

Status eval_equal(const OpContext& ctx, std::span<const MutView> out) {
  const DType dtype = ctx.type(0).dtype;
  RunFn fn = dispatch_modular(dtype, []<class T>(T) -> RunFn { return binary_run<EqualOp, T, bool>; });
  if (dtype == DType::boolean) fn = binary_run<SameOp, Truth, bool>;
  for_each_run(ctx.inputs, out[0], fn);
  return {};
}

// Greater(a, b) is Less(b, a).
template <class Op, bool Swap>
Status eval_ordering(const OpContext& ctx, std::span<const MutView> out) {
  RunFn fn = dispatch_number(ctx.type(0).dtype, []<class T>(T) -> RunFn { return binary_run<Op, T, bool>; });
  const View inputs[] = {ctx.inputs[Swap], ctx.inputs[!Swap]};
  for_each_run(inputs, out[0], fn);
  return {};
}

template <class Op>
Status eval_logic(const OpContext& ctx, std::span<const MutView> out) {
  for_each_run(ctx.inputs, out[0], binary_run<Op, Truth, bool>);
  return {};
}

// Where(condition, x, y)
Result<std::vector<TensorType>> infer_where(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::booleans));
  if (ctx.type(1).dtype != ctx.type(2).dtype)
    return invalid_model("input 1 is ", to_string(ctx.type(1)), ", input 2 is ", to_string(ctx.type(2)),
                         ": element types differ");
  QL_TRY(Shape shape, broadcast_shape(ctx));
  return std::vector<TensorType>{{ctx.type(1).dtype, std::move(shape)}};
}
template <class T>
void where_run(const Run& run) {
  const Truth* condition = run.in<Truth>(0);
  const T *x = run.in<T>(1), *y = run.in<T>(2);
  for (int64_t i = 0; i < run.n; ++i)
    run.out<T>()[i] = condition[i * run.step[0]] ? x[i * run.step[1]] : y[i * run.step[2]];
}
Status eval_where(const OpContext& ctx, std::span<const MutView> out) {
  for_each_run(ctx.inputs, out[0], dispatch_bits(out[0].type->dtype, []<class T>(T) -> RunFn { return where_run<T>; }));
  return {};
}

}  // namespace

void append_compare_ops(std::vector<OpDef>& defs) {
  auto ordering = infer_predicate<Types::numbers>;
  auto logic = infer_predicate<Types::booleans>;
  defs.insert(defs.end(), {
                              {"Equal", 2, 2, 1, "", infer_predicate<Types::all>, with_half<eval_equal>},
                              {"Less", 2, 2, 1, "", ordering, with_half<eval_ordering<LessOp, false>>},
                              {"LessOrEqual", 2, 2, 1, "", ordering, with_half<eval_ordering<LessOrEqualOp, false>>},
                              {"Greater", 2, 2, 1, "", ordering, with_half<eval_ordering<LessOp, true>>},
                              {"GreaterOrEqual", 2, 2, 1, "", ordering, with_half<eval_ordering<LessOrEqualOp, true>>},
                              {"And", 2, 2, 1, "", logic, eval_logic<AndOp>},
                              {"Or", 2, 2, 1, "", logic, eval_logic<OrOp>},
                              {"Xor", 2, 2, 1, "", logic, eval_logic<XorOp>},
                              {"Where", 3, 3, 1, "", infer_where, eval_where},
                          });
}

}  // namespace quadlane
