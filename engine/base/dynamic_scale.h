// DynamicQuantizeLinear's scale and zero point: the range of a whole tensor, widened to hold 0, on 0..255.
//
//   lo = min(0, min x), hi = max(0, max x)     scale = (hi - lo) / 255     zero = round_half_even(-lo / scale)
//
// A tensor of zeros has scale 1. Shared by the operator's reference and the launch code.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace quadlane {

struct DynamicScale {
  float scale = 1;
  uint8_t zero = 0;
};

inline DynamicScale dynamic_scale(float lo, float hi) {
  lo = std::min(lo, 0.0f);
  hi = std::max(hi, 0.0f);
  DynamicScale d;
  if (!(hi > lo)) return d;
  d.scale = (hi - lo) / 255.0f;
  const float level = std::nearbyint(-lo / d.scale);
  d.zero = static_cast<uint8_t>(level >= 255.0f ? 255.0f : level > 0.0f ? level : 0.0f);
  return d;
}

}  // namespace quadlane
