// Add, Sub, Mul, Div, Mod, Pow with broadcasting. Integers wrap modulo 2^n; division by an integer zero is an error.
#include "ops/attr.h"
#include "ops/binary.h"
#include "ops/elementwise.h"

namespace quadlane {
namespace {

template <class Op>
Status eval_modular(const OpContext& ctx, std::span<const MutView> out) {
  for_each_run(ctx.inputs, out[0], modular_run<Op>(ctx.type(0).dtype));
  return {};
}

template <class T>
T quotient(T a, T b) {
  if constexpr (std::is_signed_v<T>)
    if (b == T{-1}) return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(a));  // the lowest integer wraps
  return static_cast<T>(a / b);
}

struct DivOp {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a / b;
    else
      return quotient(a, b);
  }
};
// The remainder takes the divisor's sign, as in Python.
struct FloorModOp {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      T r = std::fmod(a, b);
      return r != 0 && (r < 0) != (b < 0) ? r + b : r;
    } else if constexpr (std::is_signed_v<T>) {
      if (b == T{-1}) return 0;
      T r = static_cast<T>(a % b);
      return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
    } else {
      return static_cast<T>(a % b);
    }
  }
};
// The remainder takes the dividend's sign, as C's fmod.
struct TruncModOp {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return std::fmod(a, b);
    else if constexpr (std::is_signed_v<T>)
      return b == T{-1} ? T{0} : static_cast<T>(a % b);
    else
      return static_cast<T>(a % b);
  }
};

Status expect_no_zero(const View& divisor) {
  if (is_float(divisor.type->dtype)) return {};
  return dispatch_number(divisor.type->dtype, [&]<class T>(T) -> Status {
    int64_t i = 0;
    for (T value : divisor.span<T>()) {
      if (value == 0) return invalid_argument("division by zero: element ", i, " of the divisor is 0");
      ++i;
    }
    return {};
  });
}

template <class Op>
Status eval_division(const OpContext& ctx, std::span<const MutView> out) {
  if (elements(out[0].shape()) > 0) QL_CHECK_OK(expect_no_zero(ctx.inputs[1]));
  for_each_run(ctx.inputs, out[0], number_run<Op>(ctx.type(0).dtype));
  return {};
}

Result<std::vector<TensorType>> infer_mod(const OpContext& ctx) {
  QL_TRY(bool fmod, bool_attr(ctx.attrs(), "fmod", false));
  if (!fmod && ctx.has(0) && is_float(ctx.type(0).dtype))
    return invalid_model("input 0 is ", to_string(ctx.type(0)), ", which needs attribute 'fmod' to be 1, it is 0");
  return infer_broadcast<Types::numbers>(ctx);
}
Status eval_mod(const OpContext& ctx, std::span<const MutView> out) {
  return ctx.attrs().int_or("fmod", 0) ? eval_division<TruncModOp>(ctx, out) : eval_division<FloorModOp>(ctx, out);
}

// Pow(base, exponent): the result has the base's type; the exponent may have another.
Result<std::vector<TensorType>> infer_pow(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  QL_CHECK_OK(expect_types(ctx, 1, Types::numbers));
  QL_TRY(Shape shape, broadcast_shape(ctx));
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(shape)}};
}

struct PowOp {
  template <class T>
  static T apply(T base, T exponent) {
    if (exponent == 2) return base * base;
    return std::pow(base, exponent);
  }
};
// An integer base modulo 2^n by squaring; a negative exponent gives what remains of 1 / base^-exponent: 1, -1 or 0.
struct IntPowOp {
  static int64_t apply(int64_t base, int64_t exponent) {
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    uint64_t result = 1, power = static_cast<uint64_t>(base);
    for (; exponent > 0; exponent >>= 1, power *= power)
      if (exponent & 1) result *= power;
    return static_cast<int64_t>(result);
  }
};

// A copy of a number tensor in another type.
template <class To>
Result<Tensor> converted(const View& x) {
  QL_TRY(Tensor tensor, Tensor::allocate({dtype_of<To>(), x.shape()}));
  To* dst = tensor.mutate<To>();
  dispatch_number(x.type->dtype, [&]<class T>(T) {
    for (T value : x.span<T>()) *dst++ = convert<To>(value);
  });
  return tensor;
}

// Through a wider type that holds both inputs.
template <class Wide, class Op>
Status pow_through(const OpContext& ctx, const MutView& out) {
  QL_TRY(Tensor base, converted<Wide>(ctx.inputs[0]));
  QL_TRY(Tensor exponent, converted<Wide>(ctx.inputs[1]));
  QL_TRY(Tensor result, Tensor::allocate({dtype_of<Wide>(), out.shape()}));
  const View inputs[] = {base.view(), exponent.view()};
  for_each_run(inputs, result.mut_view(), binary_run<Op, Wide>);
  const Wide* src = result.as<Wide>();
  dispatch_number(out.type->dtype, [&]<class T>(T) {
    for (T& value : out.span<T>()) value = convert<T>(*src++);
  });
  return {};
}

Status eval_pow(const OpContext& ctx, std::span<const MutView> out) {
  DType base = ctx.type(0).dtype, exponent = ctx.type(1).dtype;
  if (base == exponent && is_float(base)) {
    for_each_run(ctx.inputs, out[0], base == DType::f64 ? binary_run<PowOp, double> : binary_run<PowOp, float>);
    return {};
  }
  if (is_integer(base) && is_integer(exponent)) return pow_through<int64_t, IntPowOp>(ctx, out[0]);
  return pow_through<double, PowOp>(ctx, out[0]);
}

}  // namespace

void append_arithmetic_ops(std::vector<OpDef>& defs) {
  auto infer = infer_broadcast<Types::numbers>;
  defs.insert(defs.end(), {
                              {"Add", 2, 2, 1, "", infer, with_half<eval_modular<AddOp>>},
                              {"Sub", 2, 2, 1, "", infer, with_half<eval_modular<SubOp>>},
                              {"Mul", 2, 2, 1, "", infer, with_half<eval_modular<MulOp>>},
                              {"Div", 2, 2, 1, "", infer, with_half<eval_division<DivOp>>},
                              {"Mod", 2, 2, 1, "fmod", infer_mod, with_half<eval_mod>},
                              {"Pow", 2, 2, 1, "", infer_pow, with_half<eval_pow>},
                          });
}

}  // namespace quadlane
