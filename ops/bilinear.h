// A pixel between four others, as RoiAlign and DeformConv read it.
#pragma once

#include <cmath>
#include <cstdint>

namespace quadlane {

// Value = sum of weight[i] * plane[offset[i]]; a tap outside has weight 0 and offset 0.
struct Bilinear {
  int64_t offset[4] = {};
  double weight[4] = {};

  template <class T>
  double of(const T* plane) const {
    double sum = 0;
    for (int i = 0; i < 4; ++i)
      if (weight[i] != 0) sum += weight[i] * static_cast<double>(plane[offset[i]]);
    return sum;
  }
};

// At (y, x) of an image of height x width pixels; nothing beyond it contributes. NaN and far points give all zeros.
inline Bilinear bilinear_at(double y, double x, int64_t height, int64_t width) {
  Bilinear b;
  if (!(y > -1 && y < static_cast<double>(height) && x > -1 && x < static_cast<double>(width))) return b;
  double top = std::floor(y), left = std::floor(x), fy = y - top, fx = x - left;
  for (int i = 0; i < 4; ++i) {
    int64_t row = static_cast<int64_t>(top) + i / 2, column = static_cast<int64_t>(left) + i % 2;
    if (row < 0 || row >= height || column < 0 || column >= width) continue;
    b.offset[i] = row * width + column;
    b.weight[i] = (i / 2 ? fy : 1 - fy) * (i % 2 ? fx : 1 - fx);
  }
  return b;
}

}  // namespace quadlane
