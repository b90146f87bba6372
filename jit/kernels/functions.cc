// Each function is a short ladder over the same steps: a Horner scheme, exp(v) in parts, a selection by sign. Constants
// are memory operands, so a function holds registers for its values only.
#include "jit/kernels/functions.h"

#include <bit>
#include <limits>
#include <span>

#include "jit/kernels/function_constants.h"

namespace quadlane {
namespace {

namespace fc = function_constants;
using Xbyak::Operand;

class Functions {
 public:
  Functions(Assembler& a, const std::vector<const Vec*>& temps, const Operand* alpha, const Operand* beta)
      : a_(a), t_(temps), alpha_(alpha), beta_(beta) {}
  void emit(Activation act, const Vec& v);

 private:
  const Vec& t(size_t i) const { return *t_[i]; }
  Xbyak::Address real(float value) { return a_.constant_lanes(std::bit_cast<uint32_t>(value)); }
  void set(const Vec& to, float value) { a_.load(to, real(value)); }
  void clamp(const Vec& v, const Vec& temp, float lo, float hi);
  void horner(const Vec& p, const Vec& x, std::span<const float> coefficients);
  void negate(const Vec& to, const Vec& from) { a_.bit_xor(to, from, a_.constant_lanes(0x80000000u)); }
  void magnitude(const Vec& to, const Vec& from) { a_.bit_and(to, from, a_.constant_lanes(0x7fffffffu)); }
  void select_negative(const Vec& to, const Vec& by, const Vec& if_negative, const Vec& otherwise);
  void round(const Vec& to, const Vec& from, uint8_t mode);

  void exp_parts(const Vec& v, const Vec& n, const Vec& p);
  void power_of_two(const Vec& n, const Vec& temp);
  void exp_bounded(const Vec& v, const Vec& n, const Vec& p);
  void expm1_of_negative(const Vec& v, const Vec& n, const Vec& p);
  void odd_rational(const Vec& v, float bound, std::span<const float> p, std::span<const float> q);
  void sigmoid(const Vec& v);
  void swish(const Vec& v);
  void exp(const Vec& v);
  void log(const Vec& v);
  void softplus(const Vec& v);
  void mish(const Vec& v);
  void gelu(const Vec& v, bool by_tanh);
  void elu(Activation act, const Vec& v);

  Assembler& a_;
  const std::vector<const Vec*>& t_;
  const Operand *alpha_, *beta_;
};

// With the bound as the first operand NaN passes.
void Functions::clamp(const Vec& v, const Vec& temp, float lo, float hi) {
  set(temp, lo);
  a_.vmaxps(v, temp, v);
  set(temp, hi);
  a_.vminps(v, temp, v);
}

void Functions::horner(const Vec& p, const Vec& x, std::span<const float> coefficients) {
  set(p, coefficients[0]);
  for (float c : coefficients.subspan(1)) a_.vfmadd213ps(p, x, real(c));
}

void Functions::select_negative(const Vec& to, const Vec& by, const Vec& if_negative, const Vec& otherwise) {
  if (!a_.avx512()) return a_.vblendvps(to, otherwise, if_negative, by);
  Mask negative = a_.mask("negative");
  a_.vpcmpd(negative.k(), by, a_.constant_lanes(0), 1);  // less than 0 as an integer: the sign bit
  a_.blend(to, negative, if_negative, otherwise);
}

void Functions::round(const Vec& to, const Vec& from, uint8_t mode) {
  a_.avx512() ? a_.vrndscaleps(to, from, mode) : a_.vroundps(to, from, mode);
}

// n = round(v / ln 2) as a float, v = v - n ln 2, p = q(v) of exp(v) = 1 + v + v^2 q(v).
void Functions::exp_parts(const Vec& v, const Vec& n, const Vec& p) {
  a_.vmulps(n, v, real(fc::kInverseLn2));
  round(n, n, 0);
  a_.vfnmadd231ps(v, n, real(fc::kLn2High));
  a_.vfnmadd231ps(v, n, real(fc::kLn2Low));
  horner(p, v, fc::kExp);
}

// p = exp(v) for |v| <= kExpBound; v and n do not survive.
void Functions::exp_bounded(const Vec& v, const Vec& n, const Vec& p) {
  exp_parts(v, n, p);
  a_.vfmadd213ps(p, v, real(1));
  a_.vfmadd213ps(p, v, real(1));
  if (a_.avx512()) return a_.vscalefps(p, p, n);
  a_.vcvtps2dq(n, n);
  a_.vpslld(n, n, 23);  // times 2^n: into the exponent
  a_.vpaddd(p, p, n);
}

// n = 2^n, temp = 1
void Functions::power_of_two(const Vec& n, const Vec& temp) {
  set(temp, 1);
  if (a_.avx512()) return a_.vscalefps(n, temp, n);
  a_.vcvtps2dq(n, n);
  a_.vpslld(n, n, 23);
  a_.vpaddd(n, n, temp);
}

// p = exp(v) - 1 for v <= 0, without cancellation near 0: 2^n (r + r^2 q) + (2^n - 1).
void Functions::expm1_of_negative(const Vec& v, const Vec& n, const Vec& p) {
  set(n, -fc::kExpBound);
  a_.vmaxps(v, n, v);
  exp_parts(v, n, p);
  a_.vmulps(p, p, v);
  a_.vfmadd213ps(p, v, v);
  power_of_two(n, v);
  a_.vsubps(v, n, v);
  a_.vfmadd213ps(p, n, v);
}

// v = v p(v^2) / q(v^2) of the clamped v.
void Functions::odd_rational(const Vec& v, float bound, std::span<const float> p, std::span<const float> q) {
  const Vec &z = t(0), &numerator = t(1);
  clamp(v, z, -bound, bound);
  a_.vmulps(z, v, v);
  horner(numerator, z, p);
  a_.vmulps(v, v, numerator);
  horner(numerator, z, q);
  a_.vdivps(v, v, numerator);
}

void Functions::sigmoid(const Vec& v) {
  negate(v, v);
  clamp(v, t(0), -fc::kExpBound, fc::kExpBound);  // beyond, the result is 0 or 1 to the last place
  exp_bounded(v, t(0), t(1));
  set(t(0), 1);
  a_.vaddps(t(1), t(1), t(0));
  a_.vdivps(v, t(0), t(1));
}

void Functions::swish(const Vec& v) {
  a_.copy(t(2), v);
  a_.vmulps(v, v, *alpha_);
  sigmoid(v);
  a_.vmulps(v, v, t(2));
}

// AVX2: 2 * 2^(n-1), so that the largest results are reached and overflow gives infinity; the exponent of the lowest n
// is 0, which makes results below 2^-126 zero and never denormal.
void Functions::exp(const Vec& v) {
  clamp(v, t(0), a_.avx512() ? -104.0f : -87.3f, 89.0f);
  exp_parts(v, t(0), t(1));
  a_.vfmadd213ps(t(1), v, real(1));
  a_.vfmadd213ps(t(1), v, real(1));
  if (a_.avx512()) return a_.vscalefps(v, t(1), t(0));
  a_.vcvtps2dq(t(0), t(0));
  a_.vpslld(t(0), t(0), 23);
  a_.vpaddd(t(0), t(0), real(0.5f));
  a_.vmulps(t(1), t(1), t(0));
  a_.vaddps(v, t(1), t(1));
}

// v = 2^n m, sqrt(1/2) <= m < sqrt(2): log(m) + n ln 2. Adding to the bits of v what separates sqrt(1/2) from 1 carries
// into the exponent exactly where m would reach sqrt(2).
void Functions::log(const Vec& v) {
  const Vec &n = t(0), &p = t(1), &x = t(2);
  constexpr uint32_t kOne = 0x3f800000, kRootHalf = 0x3f3504f3;
  a_.copy(x, v);
  a_.vpaddd(v, v, a_.constant_lanes(kOne - kRootHalf));
  a_.vpsrad(n, v, 23);
  a_.vpsubd(n, n, a_.constant_lanes(127));
  a_.vcvtdq2ps(n, n);
  a_.bit_and(v, v, a_.constant_lanes(0x007fffff));
  a_.vpaddd(v, v, a_.constant_lanes(kRootHalf));
  a_.vsubps(v, v, real(1));
  horner(p, v, fc::kLog);
  a_.vfmadd213ps(p, v, real(-0.5f));  // (q m - 1/2) m^2 + m
  a_.vmulps(p, p, v);
  a_.vfmadd231ps(v, p, v);
  a_.vfmadd231ps(v, n, real(fc::kLn2Low));
  a_.vfmadd231ps(v, n, real(fc::kLn2High));
  // What is not positive and finite: 0 -> -inf, below -> NaN, infinity and NaN -> themselves.
  set(p, std::numeric_limits<float>::quiet_NaN());
  select_negative(v, x, p, v);
  const float kInfinity = std::numeric_limits<float>::infinity();
  Mask special = a_.mask("special");
  auto where = [&](float value, uint8_t predicate, const Vec& result) {
    if (a_.avx512())
      a_.vcmpps(special.k(), x, real(value), predicate);
    else
      a_.vcmpps(special.vec(), x, real(value), predicate);
    a_.blend(v, special, result, v);
  };
  set(p, -kInfinity);
  where(0, 0, p);          // equal
  where(kInfinity, 5, x);  // not less: infinity and NaN
}

// max(v, 0) + log(1 + exp(-|v|))
void Functions::softplus(const Vec& v) {
  a_.copy(t(2), v);
  a_.bit_or(v, v, a_.constant_lanes(0x80000000u));
  set(t(0), -fc::kExpBound);
  a_.vmaxps(v, t(0), v);
  exp_bounded(v, t(0), t(1));
  horner(v, t(1), fc::kLog1p);
  a_.zero(t(0));
  a_.vmaxps(t(2), t(0), t(2));
  a_.vfmadd213ps(v, t(1), t(2));
}

// tanh(log(1 + e)) = n / (n + 2), n = e (e + 2); 1 to the last place from 20 on.
void Functions::mish(const Vec& v) {
  a_.copy(t(2), v);
  clamp(v, t(0), -fc::kExpBound, 20);
  exp_bounded(v, t(0), t(1));
  a_.vaddps(v, t(1), real(2));
  a_.vmulps(v, v, t(1));
  a_.vaddps(t(0), v, real(2));
  a_.vdivps(v, v, t(0));
  a_.vmulps(v, v, t(2));
}

void Functions::gelu(const Vec& v, bool by_tanh) {
  a_.copy(t(2), v);
  if (by_tanh) {
    a_.vmulps(t(0), v, v);
    a_.vmulps(t(0), t(0), real(0.044715f));
    a_.vfmadd213ps(v, t(0), v);
    a_.vmulps(v, v, real(0.79788456080286535588f));
    odd_rational(v, fc::kTanhBound, fc::kTanhP, fc::kTanhQ);
  } else {
    a_.vmulps(v, v, real(0.70710678118654752440f));
    odd_rational(v, fc::kErfBound, fc::kErfP, fc::kErfQ);
  }
  clamp(v, t(0), -1, 1);
  a_.vmulps(t(2), t(2), real(0.5f));
  a_.vfmadd213ps(v, t(2), t(2));
}

void Functions::elu(Activation act, const Vec& v) {
  a_.copy(t(2), v);
  a_.vminps(v, v, real(0));
  if (act == Activation::celu) a_.vdivps(v, v, *alpha_);
  expm1_of_negative(v, t(0), t(1));
  a_.vmulps(t(1), t(1), *alpha_);
  select_negative(v, t(2), t(1), t(2));
  if (act == Activation::selu) a_.vmulps(v, v, *beta_);
}

void Functions::emit(Activation act, const Vec& v) {
  switch (act) {
    case Activation::none: return;
    case Activation::clip: a_.vmaxps(v, v, *alpha_); return a_.vminps(v, v, *beta_);
    case Activation::leaky:
      a_.vmulps(t(0), v, *alpha_);
      return select_negative(v, v, t(0), v);  // -0 times alpha is a zero again
    case Activation::hard_sigmoid:
      a_.vmulps(v, v, *alpha_);
      a_.vaddps(v, v, *beta_);
      return clamp(v, t(0), 0, 1);
    case Activation::hard_swish:
      a_.copy(t(0), v);
      a_.vmulps(v, v, real(1.0f / 6));
      a_.vaddps(v, v, real(0.5f));
      clamp(v, t(1), 0, 1);
      return a_.vmulps(v, v, t(0));
    case Activation::sigmoid: return sigmoid(v);
    case Activation::swish: return swish(v);
    case Activation::tanh: return odd_rational(v, fc::kTanhBound, fc::kTanhP, fc::kTanhQ);
    case Activation::erf: odd_rational(v, fc::kErfBound, fc::kErfP, fc::kErfQ); return clamp(v, t(0), -1, 1);
    case Activation::gelu: return gelu(v, false);
    case Activation::gelu_tanh: return gelu(v, true);
    case Activation::mish: return mish(v);
    case Activation::softplus: return softplus(v);
    case Activation::softsign:
      magnitude(t(0), v);
      a_.vaddps(t(0), t(0), real(1));
      return a_.vdivps(v, v, t(0));
    case Activation::elu:
    case Activation::selu:
    case Activation::celu: return elu(act, v);
    case Activation::exp: return exp(v);
    case Activation::log: return log(v);
    case Activation::sqrt: return a_.vsqrtps(v, v);
    case Activation::reciprocal: set(t(0), 1); return a_.vdivps(v, t(0), v);
    case Activation::abs: return magnitude(v, v);
    case Activation::neg: return negate(v, v);
    case Activation::square: return a_.vmulps(v, v, v);
    case Activation::cube: a_.vmulps(t(0), v, v); return a_.vmulps(v, v, t(0));
    case Activation::floor: return round(v, v, 1);
    case Activation::ceil: return round(v, v, 2);
    case Activation::round: return round(v, v, 0);
  }
}

struct Traits {
  const char* name;
  int parameters, temps;
};

Traits traits(Activation act) {
  switch (act) {
    case Activation::none: return {"none", 0, 0};
    case Activation::clip: return {"clip", 2, 0};
    case Activation::leaky: return {"leaky", 1, 1};
    case Activation::hard_sigmoid: return {"hard_sigmoid", 2, 1};
    case Activation::hard_swish: return {"hard_swish", 0, 2};
    case Activation::sigmoid: return {"sigmoid", 0, 2};
    case Activation::swish: return {"swish", 1, 3};
    case Activation::tanh: return {"tanh", 0, 2};
    case Activation::erf: return {"erf", 0, 2};
    case Activation::gelu: return {"gelu", 0, 3};
    case Activation::gelu_tanh: return {"gelu_tanh", 0, 3};
    case Activation::mish: return {"mish", 0, 3};
    case Activation::softplus: return {"softplus", 0, 3};
    case Activation::softsign: return {"softsign", 0, 1};
    case Activation::elu: return {"elu", 1, 3};
    case Activation::selu: return {"selu", 2, 3};
    case Activation::celu: return {"celu", 1, 3};
    case Activation::exp: return {"exp", 0, 2};
    case Activation::log: return {"log", 0, 3};
    case Activation::sqrt: return {"sqrt", 0, 0};
    case Activation::reciprocal: return {"reciprocal", 0, 1};
    case Activation::abs: return {"abs", 0, 0};
    case Activation::neg: return {"neg", 0, 0};
    case Activation::square: return {"square", 0, 0};
    case Activation::cube: return {"cube", 0, 1};
    case Activation::floor: return {"floor", 0, 0};
    case Activation::ceil: return {"ceil", 0, 0};
    case Activation::round: return {"round", 0, 0};
  }
  return {"?", 0, 0};
}

}  // namespace

const char* to_string(Activation act) { return traits(act).name; }
int activation_parameters(Activation act) { return traits(act).parameters; }
int activation_temps(Activation act) { return traits(act).temps; }

void emit_activation(Assembler& a, Activation act, const Vec& v, const std::vector<const Vec*>& temps,
                     const Xbyak::Operand* alpha, const Xbyak::Operand* beta) {
  Functions(a, temps, alpha, beta).emit(act, v);
}

}  // namespace quadlane
