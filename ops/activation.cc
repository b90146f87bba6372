// Activations: y[i] = f(x[i]) with scalars from attributes; Clip with bounds and PRelu with slopes from inputs.
#include "ops/attr.h"
#include "ops/binary.h"
#include "ops/elementwise.h"
#include "ops/unary.h"

namespace quadlane {
namespace {

struct Relu {
  template <class T>
  static T apply(T x) {
    if constexpr (std::is_unsigned_v<T>)
      return x;
    else
      return x < 0 ? T{0} : x;  // NaN stays
  }
};
struct Sigmoid {
  template <class T>
  static T apply(T x) {
    return 1 / (1 + std::exp(-x));
  }
};
struct Softplus {
  template <class T>
  static T apply(T x) {  // log(1 + e^x) without overflow
    return std::max(x, T{0}) + std::log1p(std::exp(-std::abs(x)));
  }
};
struct Softsign {
  template <class T>
  static T apply(T x) {
    return x / (1 + std::abs(x));
  }
};
struct HardSwish {
  template <class T>
  static T apply(T x) {
    return x * std::clamp(x / 6 + T{0.5}, T{0}, T{1});
  }
};
struct Mish {
  template <class T>
  static T apply(T x) {
    // tanh(log(1 + e)) = ((1 + e)^2 - 1) / ((1 + e)^2 + 1): one exponential instead of three functions.
    if (x > 20) return x;  // the quotient is 1 in either precision
    T e = std::exp(x), n = e * (e + 2);
    return x * (n / (n + 2));
  }
};

// Functions with attributes: kDefaults lists them by name, apply() takes the values in that order.
struct Scalar {
  const char* name;
  float otherwise;
};
// x < 0 ? slope * x : x as max(x, 0) + slope * min(x, 0), which vectorizes; a branch around the product does not. NaN
// stays, and for slope >= 0 the sign of zero.
template <class T>
T leaky(T x, T slope) {
  T above = T{0} > x ? T{0} : x, below = T{0} < x ? T{0} : x;
  return above + slope * below;
}
struct LeakyRelu {
  static constexpr Scalar kDefaults[] = {{"alpha", 0.01F}};
  static constexpr std::string_view kNames = "alpha";
  template <class T>
  static T apply(T x, const T* p) {
    return leaky(x, p[0]);
  }
};
struct ThresholdedRelu {
  static constexpr Scalar kDefaults[] = {{"alpha", 1}};
  static constexpr std::string_view kNames = "alpha";
  template <class T>
  static T apply(T x, const T* p) {
    return x > p[0] ? x : T{0};
  }
};
struct Elu {
  static constexpr Scalar kDefaults[] = {{"alpha", 1}};
  static constexpr std::string_view kNames = "alpha";
  template <class T>
  static T apply(T x, const T* p) {
    return x < 0 ? p[0] * std::expm1(x) : x;
  }
};
struct Celu {
  static constexpr Scalar kDefaults[] = {{"alpha", 1}};
  static constexpr std::string_view kNames = "alpha";
  template <class T>
  static T apply(T x, const T* p) {
    return x < 0 ? p[0] * std::expm1(x / p[0]) : x;
  }
};
struct Selu {
  static constexpr Scalar kDefaults[] = {{"alpha", 1.67326319217681884765625F}, {"gamma", 1.05070102214813232421875F}};
  static constexpr std::string_view kNames = "alpha gamma";
  template <class T>
  static T apply(T x, const T* p) {
    return p[1] * (x > 0 ? x : p[0] * std::expm1(x));
  }
};
struct Shrink {
  static constexpr Scalar kDefaults[] = {{"bias", 0}, {"lambd", 0.5F}};
  static constexpr std::string_view kNames = "bias lambd";
  template <class T>
  static T apply(T x, const T* p) {
    return x < -p[1] ? x + p[0] : x > p[1] ? x - p[0] : T{0};
  }
};
struct Swish {
  static constexpr Scalar kDefaults[] = {{"alpha", 1}};
  static constexpr std::string_view kNames = "alpha";
  template <class T>
  static T apply(T x, const T* p) {
    return x / (1 + std::exp(-p[0] * x));
  }
};
struct HardSigmoid {
  static constexpr Scalar kDefaults[] = {{"alpha", 0.2F}, {"beta", 0.5F}};
  static constexpr std::string_view kNames = "alpha beta";
  template <class T>
  static T apply(T x, const T* p) {
    return std::clamp(p[0] * x + p[1], T{0}, T{1});
  }
};

template <class Op>
Result<std::vector<TensorType>> infer_scaled(const OpContext& ctx) {
  for (const Scalar& scalar : Op::kDefaults) {
    auto value = float_attr(ctx.attrs(), scalar.name, scalar.otherwise);
    if (!value.ok()) return std::move(value).error();
  }
  return infer_same<Types::floats>(ctx);
}

template <class Op>
Status eval_scaled(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    T scalars[2] = {};
    for (size_t i = 0; i < std::size(Op::kDefaults); ++i)
      scalars[i] = ctx.attrs().float_or(Op::kDefaults[i].name, Op::kDefaults[i].otherwise);
    const T* x = ctx.inputs[0].as<T>();
    T* y = out[0].as<T>();
    for (int64_t i = 0, n = out[0].type->count(); i < n; ++i) y[i] = Op::apply(x[i], scalars);
    return {};
  });
}

template <class Op>
OpDef scaled(std::string_view name) {
  return {name, 1, 1, 1, Op::kNames, infer_scaled<Op>, with_half<eval_scaled<Op>>};
}

// Gelu: x * Phi(x), by erf or by the tanh approximation.
Result<std::vector<TensorType>> infer_gelu(const OpContext& ctx) {
  auto mode = string_attr(ctx.attrs(), "approximate", "none");
  if (!mode.ok()) return std::move(mode).error();
  if (*mode != "none" && *mode != "tanh")
    return unsupported("attribute 'approximate' is '", *mode, "', expected 'none' or 'tanh'");
  return infer_same<Types::floats>(ctx);
}
Status eval_gelu(const OpContext& ctx, std::span<const MutView> out) {
  bool by_tanh = ctx.attrs().string_or("approximate", "none") == "tanh";
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    constexpr T kSqrtHalf = T(0.70710678118654752440), kSqrtTwoByPi = T(0.79788456080286535588);
    const T* x = ctx.inputs[0].as<T>();
    for (T& y : out[0].span<T>()) {
      T v = *x++;
      T phi = by_tanh ? std::tanh(kSqrtTwoByPi * (v + T(0.044715) * v * v * v)) : std::erf(v * kSqrtHalf);
      y = T(0.5) * v * (1 + phi);
    }
    return {};
  });
}

// Clip(x, min?, max?): min(max(x, lo), hi); where lo > hi all become hi. NaN stays.
Result<std::vector<TensorType>> infer_clip(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  QL_CHECK_OK(expect_same_dtype(ctx));
  for (size_t i = 1; i < 3; ++i)
    if (ctx.has(i) && (ctx.shape(i).size() > 1 || ctx.type(i).count() != 1))
      return invalid_model("bound ", i, " has shape ", to_string(ctx.shape(i)), ", expected a scalar");
  return std::vector<TensorType>{ctx.type(0)};
}
Status eval_clip(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_number(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    using Limits = std::numeric_limits<T>;
    T lo = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    T hi = Limits::has_infinity ? Limits::infinity() : Limits::max();
    if (ctx.has(1)) lo = *ctx.inputs[1].as<T>();
    if (ctx.has(2)) hi = *ctx.inputs[2].as<T>();
    const T* x = ctx.inputs[0].as<T>();
    for (T& y : out[0].span<T>()) {
      T v = *x++;
      v = v < lo ? lo : v;
      y = hi < v ? hi : v;
    }
    return {};
  });
}

// PRelu(x, slope): slope broadcasts to x.
Result<std::vector<TensorType>> infer_prelu(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_same_dtype(ctx));
  QL_TRY(Shape shape, broadcast_shape(ctx.shape(0), ctx.shape(1)));
  if (shape != ctx.shape(0))
    return invalid_model("slope has shape ", to_string(ctx.shape(1)), ", which does not broadcast to the input's ",
                         to_string(ctx.shape(0)));
  return std::vector<TensorType>{ctx.type(0)};
}
struct PReluOp {
  template <class T>
  static T apply(T x, T slope) {
    return leaky(x, slope);
  }
};
Status eval_prelu(const OpContext& ctx, std::span<const MutView> out) {
  for_each_run(ctx.inputs, out[0],
               ctx.type(0).dtype == DType::f64 ? binary_run<PReluOp, double> : binary_run<PReluOp, float>);
  return {};
}

}  // namespace

void append_activation_ops(std::vector<OpDef>& defs) {
  defs.insert(defs.end(), {
                              unary_number<Relu, Types::signed_numbers>("Relu"),
                              unary_float<Sigmoid>("Sigmoid"),
                              unary_float<Softplus>("Softplus"),
                              unary_float<Softsign>("Softsign"),
                              unary_float<HardSwish>("HardSwish"),
                              unary_float<Mish>("Mish"),
                              scaled<LeakyRelu>("LeakyRelu"),
                              scaled<ThresholdedRelu>("ThresholdedRelu"),
                              scaled<Elu>("Elu"),
                              scaled<Celu>("Celu"),
                              scaled<Selu>("Selu"),
                              scaled<HardSigmoid>("HardSigmoid"),
                              scaled<Shrink>("Shrink"),
                              scaled<Swish>("Swish"),
                              {"Gelu", 1, 1, 1, "approximate", infer_gelu, with_half<eval_gelu>},
                              {"Clip", 1, 3, 1, "", infer_clip, with_half<eval_clip>},
                              {"PRelu", 2, 2, 1, "", infer_prelu, with_half<eval_prelu>},
                          });
}

}  // namespace quadlane
