// Exp, Sqrt, Abs, Round, ...: functions of one value without attributes, in the element's own precision (f16 in f32).
#include "ops/unary.h"

#include "engine/base/truth.h"
#include "ops/elementwise.h"

namespace quadlane {
namespace {

// A stateless operation on float and double named after the <cmath> function that computes it.
#define QL_FUNCTION(Name, function) \
  struct Name {                     \
    template <class T>              \
    static T apply(T x) {           \
      return std::function(x);      \
    }                               \
  };
QL_FUNCTION(Exp, exp)
QL_FUNCTION(Log, log)
QL_FUNCTION(Sqrt, sqrt)
QL_FUNCTION(Floor, floor)
QL_FUNCTION(Ceil, ceil)
QL_FUNCTION(Round, nearbyint)  // halves to even: the default rounding mode
QL_FUNCTION(Erf, erf)
QL_FUNCTION(Tanh, tanh)
QL_FUNCTION(Sin, sin)
QL_FUNCTION(Cos, cos)
QL_FUNCTION(Tan, tan)
QL_FUNCTION(Asin, asin)
QL_FUNCTION(Acos, acos)
QL_FUNCTION(Atan, atan)
QL_FUNCTION(Sinh, sinh)
QL_FUNCTION(Cosh, cosh)
QL_FUNCTION(Asinh, asinh)
QL_FUNCTION(Acosh, acosh)
QL_FUNCTION(Atanh, atanh)
#undef QL_FUNCTION

struct Reciprocal {
  template <class T>
  static T apply(T x) {
    return 1 / x;
  }
};

// The lowest integer is its own negative and absolute value, as in numpy.
template <class T>
T negative(T x) {
  if constexpr (std::is_floating_point_v<T>)
    return -x;
  else
    return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(x));
}
struct Neg {
  template <class T>
  static T apply(T x) {
    return negative(x);
  }
};
struct Abs {
  template <class T>
  static T apply(T x) {
    if constexpr (std::is_floating_point_v<T>)
      return std::abs(x);
    else if constexpr (std::is_signed_v<T>)
      return x < 0 ? negative(x) : x;
    else
      return x;
  }
};
struct Sign {
  template <class T>
  static T apply(T x) {
    if constexpr (std::is_floating_point_v<T>)
      return x > 0 ? T{1} : x < 0 ? T{-1} : x;  // NaN stays
    else if constexpr (std::is_signed_v<T>)
      return static_cast<T>((x > 0) - (x < 0));
    else
      return static_cast<T>(x > 0);
  }
};

Status eval_not(const OpContext& ctx, std::span<const MutView> out) {
  const Truth* x = ctx.inputs[0].as<Truth>();
  for (bool& y : out[0].span<bool>()) y = !*x++;
  return {};
}

}  // namespace

void append_unary_ops(std::vector<OpDef>& defs) {
  defs.insert(defs.end(), {
                              unary_float<Exp>("Exp"),
                              unary_float<Log>("Log"),
                              unary_float<Sqrt>("Sqrt"),
                              unary_float<Floor>("Floor"),
                              unary_float<Ceil>("Ceil"),
                              unary_float<Round>("Round"),
                              unary_float<Erf>("Erf"),
                              unary_float<Tanh>("Tanh"),
                              unary_float<Sin>("Sin"),
                              unary_float<Cos>("Cos"),
                              unary_float<Tan>("Tan"),
                              unary_float<Asin>("Asin"),
                              unary_float<Acos>("Acos"),
                              unary_float<Atan>("Atan"),
                              unary_float<Sinh>("Sinh"),
                              unary_float<Cosh>("Cosh"),
                              unary_float<Asinh>("Asinh"),
                              unary_float<Acosh>("Acosh"),
                              unary_float<Atanh>("Atanh"),
                              unary_float<Reciprocal>("Reciprocal"),
                              unary_number<Neg, Types::signed_numbers>("Neg"),
                              unary_number<Abs>("Abs"),
                              unary_number<Sign>("Sign"),
                              {"Not", 1, 1, 1, "", infer_same<Types::booleans>, eval_not},
                          });
}

}  // namespace quadlane
