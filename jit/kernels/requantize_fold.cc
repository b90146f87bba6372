// The proof behind ElementwiseOp::requantize_folded: x is a byte, so trying every value is the proof.
#include <algorithm>
#include <cmath>

#include "jit/kernels/elementwise.h"

namespace quadlane {
namespace {

// The operator's definition (ops/QL_OPS.md): a multiplication and an addition, each rounded to float32.
int defined(int x, float mult, float bias, float in_zero, const ElementwiseScalars& s) {
  float scaled = (static_cast<float>(x) - in_zero) * mult;
  float v = scaled + bias;
  return s.out_zero + static_cast<int>(std::nearbyint(std::min(std::max(v, s.v_lo), s.v_hi)));
}

// What the folded kernel computes; -1 where its conversion would overflow.
int folded(int x, float mult, float bias, int lo, int hi) {
  float v = std::fma(static_cast<float>(x), mult, bias);
  if (!(std::fabs(v) < 0x1p30f)) return -1;
  return std::clamp(static_cast<int>(std::nearbyint(v)), lo, hi);
}

}  // namespace

std::optional<std::vector<RequantizeChannels>> fold_requantize(std::span<const RequantizeChannels> planes,
                                                               const ElementwiseScalars& s) {
  int lo = s.out_zero + static_cast<int>(s.v_lo), hi = s.out_zero + static_cast<int>(s.v_hi);
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
