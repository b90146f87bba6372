// Functions of one f32 without branches or calls, for loops that the compiler vectorizes (on_isa.h). All instruction
// sets give the same bits. Largest errors over all floats where the result is a normal number, measured by the tests:
//
//   exp 1 ulp, log 1 ulp, tanh 2 ulp, erf 2 ulp, expm1 2 ulp, sigmoid 3 ulp, sin and cos 2 ulp
//
// Infinities, NaN and results beyond the range of f32 come out as std:: gives them; denormal results of exp too. Sine
// and cosine take angles up to kMostAngle.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace quadlane::run {

inline constexpr float kRoundMagic = 0x1.8p23f;  // adding it leaves no room for a fraction: ties to even

// Without a loop, which would have to be unrolled before the one around it is vectorized.
template <size_t I = 1, size_t N>
inline float horner(const float (&coefficients)[N], float x, float sum) {
  if constexpr (I < N)
    return horner<I + 1>(coefficients, x, std::fma(sum, x, coefficients[I]));
  else
    return sum;
}
template <size_t N>
inline float horner(const float (&coefficients)[N], float x) {
  return horner(coefficients, x, coefficients[0]);
}

inline float power_of_two(int32_t n) { return std::bit_cast<float>((static_cast<uint32_t>(n) + 127u) << 23); }

// x = n ln 2 + r: n, and e^r - 1 = r + r^2 q(r).
struct ExpParts {
  int32_t n;
  float r, less_one;
};
inline ExpParts exp_parts(float x) {
  constexpr float kQ[] = {1.395062893e-03f, 8.368969895e-03f, 4.166620225e-02f, 1.666651815e-01f, 0.5f};
  const float rounded = x * 0x1.715476p0f + kRoundMagic, n = rounded - kRoundMagic;
  float r = std::fma(n, -0x1.62e4p-1f, x);  // ln 2 in two parts, the first short enough to multiply exactly
  r = std::fma(n, -0x1.7f7d1cp-20f, r);
  // n stands in the lowest bits of `rounded`; NaN gives some integer, and NaN in the end.
  const int32_t whole = std::bit_cast<int32_t>(rounded) - std::bit_cast<int32_t>(kRoundMagic);
  return {whole, r, std::fma(r * r, horner(kQ, r), r)};
}

inline float exp(float x) {
  float bounded = x > 89.0f ? 89.0f : x;
  bounded = bounded < -105.0f ? -105.0f : bounded;
  const ExpParts e = exp_parts(bounded);
  const int32_t half = e.n >> 1;  // 2^n itself may be no normal number
  return (1.0f + e.less_one) * power_of_two(half) * power_of_two(e.n - half);
}

inline float expm1(float x) {
  float bounded = x > 89.0f ? 89.0f : x;
  bounded = bounded < -20.0f ? -20.0f : bounded;
  const ExpParts e = exp_parts(bounded);
  const int32_t half = e.n >> 1;
  const float low = power_of_two(half), high = power_of_two(e.n - half);
  // 2^n (1 + p) - 1 = 2^n p + (2^n - 1); for n = 0 the sum must not pass through 1.
  const float scale = low * high, small = std::fma(scale, e.less_one, scale - 1.0f);
  return e.n > 100 ? (1.0f + e.less_one) * low * high : small;
}

// x = 2^e m, sqrt(1/2) <= m < sqrt(2); t = m - 1: log x = e ln 2 + t - t^2 / 2 + t^3 q(t).
inline float log(float x) {
  constexpr float kQ[] = {-7.859545946e-02f, 1.288162172e-01f, -1.312876791e-01f, 1.418119669e-01f,
                          -1.662455350e-01f, 2.000228614e-01f, -2.500081062e-01f, 3.333331645e-01f};
  const bool denormal = x < 0x1p-126f;
  const uint32_t bits = std::bit_cast<uint32_t>(denormal ? x * 0x1p24f : x);
  const int32_t e = static_cast<int32_t>(bits - 0x3f3504f3u) >> 23;  // of m as above
  const float m = std::bit_cast<float>(bits - (static_cast<uint32_t>(e) << 23)), t = m - 1.0f;
  const float exponent = static_cast<float>(denormal ? e - 24 : e);
  float y = horner(kQ, t) * (t * t * t);
  y = std::fma(-0.5f, t * t, y);
  y = std::fma(exponent, -2.12194440e-4f, y);
  y = std::fma(exponent, 0.693359375f, y + t);
  y = x < 0.0f ? NAN : y;
  y = x == 0.0f ? -INFINITY : y;
  return x < INFINITY ? y : x;  // infinity and NaN as they are
}

inline float tanh(float x) {
  constexpr float kQ[] = {-5.717036314e-03f, 2.065057866e-02f, -5.374349654e-02f, 1.333149076e-01f, -3.333328366e-01f};
  const float a = std::fabs(x), s = x * x;
  const float small = std::fma(x * s, horner(kQ, s), x);
  const float bounded = a > 10.0f ? 10.0f : a;
  const float large = std::copysign(1.0f - 2.0f / (exp(2.0f * bounded) + 1.0f), x);
  return a < 0.625f ? small : x == x ? large : x;
}

inline float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }

// Up to 0.93 a polynomial, beyond it 1 - e^(a q(a)).
inline float erf(float x) {
  constexpr float kSmall[] = {-5.976893590e-04f, 4.990980029e-03f,  -2.676556632e-02f,
                              1.128180251e-01f,  -3.761249483e-01f, 1.283791512e-01f};
  constexpr float kLarge[] = {-1.152246386e-05f, 3.256543714e-04f,  -3.653770545e-03f, 2.378536016e-02f,
                              -1.062631607e-01f, -6.351358891e-01f, -1.128652215e+00f};
  const float a = std::fabs(x), s = x * x;
  const float small = std::fma(x, horner(kSmall, s), x);
  const float bounded = a > 4.0f ? 4.0f : a;
  const float large = std::copysign(1.0f - exp(bounded * horner(kLarge, bounded)), x);
  return a < 0.93f ? small : x == x ? large : x;
}

inline constexpr float kMostAngle = 0x1p17f;

// x + quarters * pi / 2 = n pi / 2 + r, |r| <= pi / 4. The sine of it is that of r or its cosine, with either sign: the
// polynomials of Cephes (sinf.c, S. Moshier).
inline float sine(float x, uint32_t quarters) {
  constexpr float kSin[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
  constexpr float kCos[] = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};
  const float rounded = x * 0x1.45f306p-1f + kRoundMagic, n = rounded - kRoundMagic;
  float r = std::fma(n, -0x1.921fb6p0f, x);  // pi / 2 in three parts; what the first leaves is exact
  r = std::fma(n, 0x1.777a5cp-25f, r);
  r = std::fma(n, 0x1.ee59dap-50f, r);
  const uint32_t quarter = std::bit_cast<uint32_t>(rounded) + quarters;  // n stands in the lowest bits of `rounded`
  const float s = r * r;
  const float odd = std::fma(r * s, horner(kSin, s), r);
  const float even = std::fma(s * s, horner(kCos, s), std::fma(-0.5f, s, 1.0f));
  const float y = quarter & 1 ? even : odd;
  return quarter & 2 ? -y : y;
}
inline float sin(float x) { return sine(x, 0); }
inline float cos(float x) { return sine(x, 1); }

}  // namespace quadlane::run
