// Places between pixels, as GridSample and DeformConv read them: the pixels around each place along each axis and their
// weights, and the products of these.
#pragma once

#include <cstdint>

#include "engine/base/cpu.h"

namespace quadlane::run {

inline constexpr int64_t kPlaces = 256;  // of a block: their taps are found before the channels are walked
inline constexpr int kMostTaps = 16;     // of a place

enum class GridPadding : uint8_t { zeros, border, reflection };
enum class GridMode : uint8_t { nearest, linear, cubic };  // one, two or four taps along each axis

struct TapAxis {
  GridMode mode;
  GridPadding padding;
  bool align;  // corners are the centres of pixels: reflection turns there
  int64_t extent;

  int taps() const { return mode == GridMode::nearest ? 1 : mode == GridMode::linear ? 2 : 4; }
  double lo() const { return align ? 0 : -0.5; }
  double hi() const { return static_cast<double>(extent - 1) - lo(); }
};

// Up to kPlaces places. Tap k of place i is element at[k][i] of a plane; one that reads 0 has weight 0.
struct PlaneTaps {
  alignas(64) int32_t at[kMostTaps][kPlaces];
  alignas(64) float weight[kMostTaps][kPlaces];
  int count = 0;

  // One tap: the first element.
  void start(int64_t n);
  // The taps so far, each with each of the next axis: those of the axis change first. x may be NaN.
  void add_axis(Isa, const TapAxis&, const double* x, int64_t n);
};

}  // namespace quadlane::run
