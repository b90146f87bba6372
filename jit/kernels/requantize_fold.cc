// The proof behind ElementwiseOp::requantize_folded: x is a byte, so trying every value is the proof.
#include <algorithm>
#include <cmath>

#include "jit/kernels/elementwise.h"

namespace quadlane {
namespace {

// Half to even, for |v| <= 2^22: 1.5 * 2^23 leaves no room for a fraction. Millions of these are tried for a network.
float rounded(float v) {
  constexpr float kMagic = 0x1.8p23f;
  return (v + kMagic) - kMagic;
}

// The operator's definition (ops/QL_OPS.md): a multiplication and an addition, each rounded to float32.
float defined(int x, float mult, float bias, float in_zero, const ElementwiseScalars& s) {
  float scaled = (static_cast<float>(x) - in_zero) * mult;
  float v = scaled + bias;
  return static_cast<float>(s.out_zero) + rounded(std::min(std::max(v, s.v_lo), s.v_hi));
}

// What the folded kernel computes; -1 where its conversion would overflow. The bounds are integers, so that it is the
// same whether they or the rounding come first.
float folded(int x, float mult, float bias, float lo, float hi) {
  float v = std::fma(static_cast<float>(x), mult, bias);
  return std::fabs(v) < 0x1p30f ? rounded(std::clamp(v, lo, hi)) : -1.0f;
}

}  // namespace

std::optional<std::vector<RequantizeChannels>> fold_requantize(std::span<const RequantizeChannels> planes,
                                                               const ElementwiseScalars& s) {
  float zero = static_cast<float>(s.out_zero), lo = zero + s.v_lo, hi = zero + s.v_hi;
  std::vector<RequantizeChannels> result;
  for (const RequantizeChannels& plane : planes) {
    RequantizeChannels f{};
    for (int j = 0; j < 4; ++j) {
      double bias = double{plane.bias[j]} - double{plane.in_zero[j]} * plane.mult[j] + s.out_zero;
      f.mult[j] = plane.mult[j];
      f.bias[j] = static_cast<float>(bias);
      for (int x = 0; x < 256; ++x)
        if (folded(x, f.mult[j], f.bias[j], lo, hi) != defined(x, plane.mult[j], plane.bias[j], plane.in_zero[j], s))
          return std::nullopt;
    }
    result.push_back(f);
  }
  return result;
}

}  // namespace quadlane
