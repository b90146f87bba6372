// Windows of pools in 1 to 3 spatial dimensions: which pixels each output reads and what an average divides by.
#pragma once

#include <array>

#include "ops/conv_attrs.h"

namespace quadlane {

// The taps of one output coordinate on one axis.
struct AxisWindow {
  int64_t first = 0;    // input coordinate of the first tap inside the input
  int64_t taps = 0;     // taps inside the input, `step` pixels apart
  int64_t counted = 0;  // taps inside the padded input: those of an average with count_include_pad
};

struct PoolWindows {
  std::array<std::vector<AxisWindow>, 3> axes{{{{0, 1, 1}}, {{0, 1, 1}}, {{0, 1, 1}}}};  // by output coordinate
  std::array<int64_t, 3> in{1, 1, 1}, step{1, 1, 1};

  int64_t in_pixels() const { return in[0] * in[1] * in[2]; }
};

PoolWindows pool_windows(const PoolAttrs&, const Shape& x);
// One window over the whole image; an image without pixels is the caller's to refuse.
PoolWindows global_window(const Shape& x);

// For every output pixel of `planes` planes, in order: acc = init; acc = step(acc, pixel) over its taps; then
// finish(plane, acc, taps inside, taps counted) gives the output.
template <class X, class Y, class Acc, class Step, class Finish>
void pool_planes(const PoolWindows& w, int64_t planes, const X* x, Y* y, Acc init, const Step& step,
                 const Finish& finish) {
  for (int64_t plane = 0; plane < planes; ++plane, x += w.in_pixels())
    for (const AxisWindow& wz : w.axes[0])
      for (const AxisWindow& wy : w.axes[1])
        for (const AxisWindow& wx : w.axes[2]) {
          Acc acc = init;
          for (int64_t i = 0; i < wz.taps; ++i)
            for (int64_t j = 0; j < wy.taps; ++j) {
              const X* row = x + ((wz.first + i * w.step[0]) * w.in[1] + wy.first + j * w.step[1]) * w.in[2] + wx.first;
              for (int64_t k = 0; k < wx.taps; ++k) acc = step(acc, row[k * w.step[2]]);
            }
          *y++ = finish(plane, acc, wz.taps * wy.taps * wx.taps, wz.counted * wy.counted * wx.counted);
        }
}

}  // namespace quadlane
