#include "engine/run/dense/element_loops.h"
#include "engine/run/dense/math.h"

namespace quadlane::run {
namespace {

#define QL_UNARY(Name, expression)                                                                         \
  struct Name {                                                                                            \
    static float apply(float x, [[maybe_unused]] float p, [[maybe_unused]] float q) { return expression; } \
  };

inline float clamped(float x, float lo, float hi) {  // NaN stays
  x = x < lo ? lo : x;
  return hi < x ? hi : x;
}
// max(x, 0) + slope * min(x, 0)
inline float leaky(float x, float slope) { return (0.0f > x ? 0.0f : x) + slope * (0.0f < x ? 0.0f : x); }
// log(1 + t) for t >= 0: what rounding 1 + t loses is put back as a factor.
inline float log1p(float t) {
  const float u = 1.0f + t, d = u - 1.0f;
  return d == 0.0f ? t : log(u) * (t / d);
}
inline float mish(float x) {
  const float e = exp(x > 20.0f ? 20.0f : x), n = e * (e + 2.0f);
  return x > 20.0f ? x : x * (n / (n + 2.0f));
}
inline float gelu(float x, float phi) { return 0.5f * x * (1.0f + phi); }

QL_UNARY(Abs, std::fabs(x))
QL_UNARY(Neg, -x)
QL_UNARY(Sqrt, std::sqrt(x))
QL_UNARY(Exp, exp(x))
QL_UNARY(Log, log(x))
QL_UNARY(Erf, erf(x))
QL_UNARY(Tanh, tanh(x))
QL_UNARY(Sigmoid, sigmoid(x))
QL_UNARY(Floor, std::floor(x))
QL_UNARY(Ceil, std::ceil(x))
QL_UNARY(Round, std::rint(x))
QL_UNARY(Reciprocal, 1.0f / x)
QL_UNARY(Sign, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x)
QL_UNARY(Square, x* x)
QL_UNARY(Relu, x < 0.0f ? 0.0f : x)
QL_UNARY(LeakyRelu, leaky(x, p))
QL_UNARY(ThresholdedRelu, x > p ? x : 0.0f)
QL_UNARY(Elu, x < 0.0f ? p * expm1(x) : x)
QL_UNARY(Celu, x < 0.0f ? p * expm1(x / p) : x)
QL_UNARY(Selu, q*(x > 0.0f ? x : p * expm1(x)))
QL_UNARY(HardSigmoid, clamped(p* x + q, 0.0f, 1.0f))
QL_UNARY(HardSwish, x* clamped(x / 6.0f + 0.5f, 0.0f, 1.0f))
QL_UNARY(Softplus, (0.0f > x ? 0.0f : x) + log1p(exp(-std::fabs(x))))
QL_UNARY(Softsign, x / (1.0f + std::fabs(x)))
QL_UNARY(Mish, mish(x))
QL_UNARY(Swish, x / (1.0f + exp(-p * x)))
QL_UNARY(Shrink, x<-q ? x + p : x> q ? x - p : 0.0f)
QL_UNARY(Gelu, gelu(x, erf(x * 0.70710678118654752440f)))
QL_UNARY(GeluTanh, gelu(x, tanh(0.79788456080286535588f * (x + 0.044715f * x * x * x))))
QL_UNARY(Clip, clamped(x, p, q))
#undef QL_UNARY

// Sine (quarters 0) and cosine (1). Where a group holds an angle beyond kMostAngle, or none, those go one by one.
void angle_block(Isa isa, const ElementBlock& e, uint32_t quarters) {
  const auto* x = static_cast<const float*>(e.in[0]);
  auto* y = static_cast<float*>(e.out);
  const int64_t n = e.n;
  on_isa(isa, [=] {
    each_group(1, n, [=](int64_t, int64_t i) {
      int far = 0;
#pragma GCC unroll 1
#pragma GCC ivdep
      for (int64_t j = 0; j < kElementGroup; ++j) {
        y[i + j] = sine(x[i + j], quarters);
        far |= !(std::fabs(x[i + j]) <= kMostAngle);
      }
      for (int64_t j = 0; far && j < kElementGroup; ++j)
        if (!(std::fabs(x[i + j]) <= kMostAngle)) y[i + j] = quarters ? std::cos(x[i + j]) : std::sin(x[i + j]);
    });
  });
}
void sin_block(Isa isa, const ElementBlock& e) { angle_block(isa, e, 0); }
void cos_block(Isa isa, const ElementBlock& e) { angle_block(isa, e, 1); }

struct Not {
  static uint8_t apply(uint8_t x, float, float) { return x == 0; }
};

struct Entry {
  std::string_view name;
  ElementFn fn;
};
#define QL_ENTRY(Name) \
  { #Name, unary_block < Name, float, float> }
constexpr Entry kF32[] = {
    QL_ENTRY(Abs),         QL_ENTRY(Neg),        QL_ENTRY(Sqrt),      QL_ENTRY(Exp),      QL_ENTRY(Log),
    QL_ENTRY(Erf),         QL_ENTRY(Tanh),       QL_ENTRY(Sigmoid),   QL_ENTRY(Floor),    QL_ENTRY(Ceil),
    QL_ENTRY(Round),       QL_ENTRY(Reciprocal), QL_ENTRY(Sign),      QL_ENTRY(Square),   QL_ENTRY(Relu),
    QL_ENTRY(LeakyRelu),   QL_ENTRY(Elu),        QL_ENTRY(Celu),      QL_ENTRY(Selu),     QL_ENTRY(ThresholdedRelu),
    QL_ENTRY(HardSigmoid), QL_ENTRY(Softplus),   QL_ENTRY(HardSwish), QL_ENTRY(Softsign), QL_ENTRY(Mish),
    QL_ENTRY(Swish),       QL_ENTRY(Shrink),     QL_ENTRY(Gelu),      QL_ENTRY(GeluTanh), QL_ENTRY(Clip),
};
#undef QL_ENTRY

}  // namespace

ElementFn find_unary(std::string_view name, DType in) {
  if (in == DType::boolean && name == "Not") return unary_block<Not, uint8_t, uint8_t>;
  if (in != DType::f32) return nullptr;
  if (name == "Sin") return sin_block;
  if (name == "Cos") return cos_block;
  for (const Entry& entry : kF32)
    if (entry.name == name) return entry.fn;
  return nullptr;
}

}  // namespace quadlane::run
