// Places between pixels, as GridSample and DeformConv read them: the taps of each place along each axis, their
// products, and the weighted sums of a plane. Every function is a loop over the places of a block, for on_isa.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace quadlane::run {

inline constexpr int64_t kPlaces = 256;  // of a block: their taps are found before the channels are walked

// Of each place up to four pixels along an axis and their weights. A pixel outside that reads 0 has weight 0.
struct AxisTaps {
  int32_t at[4][kPlaces];
  float weight[4][kPlaces];
};

// Tap k of place i is the pixel at first(i) + k where that is inside, else one that weighs 0. x may be NaN.
inline void linear_taps(const double* x, int64_t n, int64_t extent, AxisTaps* taps) {
  const auto last = static_cast<double>(extent - 1);
  for (int k = 0; k < 2; ++k)
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const double first = std::floor(x[i]), at = first + k, weight = k ? x[i] - first : 1 - (x[i] - first);
      taps->at[k][i] = static_cast<int32_t>(at > 0 ? std::min(at, last) : 0.0);
      taps->weight[k][i] = static_cast<float>(at >= 0 && at <= last ? weight : 0.0);
    }
}

// Taps of whole places, by their offset in a plane.
template <int K>
struct PlaneTaps {
  alignas(64) int32_t at[K][kPlaces];
  alignas(64) float weight[K][kPlaces];
};

// y[i] = sum of the taps' products; a weight of 0 hides what the pixel holds.
template <int K>
inline void sum_taps(const PlaneTaps<K>& taps, const float* plane, int64_t n, float* y) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    float sum = 0;
    for (int k = 0; k < K; ++k) {
      const float product = taps.weight[k][i] * plane[taps.at[k][i]];
      sum += taps.weight[k][i] == 0 ? 0 : product;
    }
    y[i] = sum;
  }
}

}  // namespace quadlane::run
