// The one rounding rule of the integer operators (QL_OPS.md). Every kernel computes exactly this; translation units
// that use it are compiled with -ffp-contract=off, so that a multiplication and an addition are rounded separately.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace quadlane {

// Nearest integer, ties to even, for |v| <= 2^22: adding 1.5 * 2^23 leaves no room for a fraction in the mantissa.
inline int32_t round_half_even(float v) {
  constexpr float kMagic = 0x1.8p23f;
  return static_cast<int32_t>((v + kMagic) - kMagic);
}

// The quantization of a u8 result: the zero point and the range a fused activation leaves, 0 <= lo <= hi <= 255.
struct U8Range {
  int32_t zero = 0, lo = 0, hi = 255;
  bool operator==(const U8Range&) const = default;
};

// zero + round_half_even(clamp(v, lo - zero, hi - zero)). Infinities saturate; NaN, which no valid scale gives, is lo.
inline uint8_t rq(float v, int32_t zero, int32_t lo, int32_t hi) {
  float below = static_cast<float>(lo - zero), above = static_cast<float>(hi - zero);
  float clamped = v > above ? above : v >= below ? v : below;
  return static_cast<uint8_t>(zero + round_half_even(clamped));
}
inline uint8_t rq(float v, const U8Range& r) { return rq(v, r.zero, r.lo, r.hi); }

// ql.Quantize of one element. NaN becomes the zero point.
inline uint8_t quantize_u8(float x, float inv_scale, int32_t zero) {
  float v = x * inv_scale;
  return v != v ? static_cast<uint8_t>(zero) : rq(v, zero, 0, 255);
}

// ql.Dequantize of one element.
inline float dequantize_u8(uint8_t x, float scale, int32_t zero) { return static_cast<float>(x - zero) * scale; }

// ql.DequantizedMean: of the sum over so many pixels.
inline float mean_factor(float scale, int64_t pixels) { return scale / static_cast<float>(pixels); }

// The epilogue of ql.Conv: float(acc) * mult, and the residual before rounding.
inline float conv_scaled(int32_t acc, float mult) { return static_cast<float>(acc) * mult; }
inline float conv_scaled(int32_t acc, float mult, uint8_t residual, float residual_mult, int32_t residual_zero) {
  float scaled = static_cast<float>(acc) * mult;
  float added = static_cast<float>(residual - residual_zero) * residual_mult;
  return scaled + added;
}

// The values that ql.Requantize, ql.Add and ql.Mul round.
inline float requantized(uint8_t x, int32_t in_zero, float mult, float bias) {
  float scaled = static_cast<float>(x - in_zero) * mult;
  return scaled + bias;
}
// ql.PRelu.
inline float prelu_scaled(uint8_t x, int32_t in_zero, float mult, float mult_below) {
  int32_t centred = x - in_zero;
  return static_cast<float>(centred) * (centred < 0 ? mult_below : mult);
}
inline float scaled_sum(uint8_t a, int32_t a_zero, float a_mult, uint8_t b, int32_t b_zero, float b_mult) {
  float left = static_cast<float>(a - a_zero) * a_mult, right = static_cast<float>(b - b_zero) * b_mult;
  return left + right;
}
inline float scaled_product(uint8_t a, int32_t a_zero, uint8_t b, int32_t b_zero, float mult) {
  return static_cast<float>((a - a_zero) * (b - b_zero)) * mult;
}

// ql.Resize: weights of 11 bits an axis, the sum of four products of 22 bits rounded half to even.
inline constexpr int kResizeBits = 11;
inline constexpr int32_t kResizeOne = 1 << kResizeBits;
inline int32_t resize_weight(float fraction) {  // fraction in [0, 1]
  return round_half_even(fraction * static_cast<float>(kResizeOne));
}
inline uint8_t resize_linear_u8(uint8_t a, uint8_t b, uint8_t c, uint8_t d, int32_t fx, int32_t fy) {
  int32_t top = (kResizeOne - fx) * a + fx * b, bottom = (kResizeOne - fx) * c + fx * d;
  int32_t sum = (kResizeOne - fy) * top + fy * bottom;  // at most 255 * 2^22 < 2^30
  return static_cast<uint8_t>((sum + (1 << 21) - 1 + ((sum >> 22) & 1)) >> 22);
}

}  // namespace quadlane
