// What the taps of DeformConv read of channels-last f32 images [images, h, w, groups * channels], as the left operands
// of products with the weights: for each image and group of the convolution a row for each pixel of the result, [taps,
// channels of the group]. Each tap of each pixel has a place of its own between the input's pixels, all channels of an
// offset group the same; so a place's channels are weighted sums of four vectors.
#pragma once

#include <array>

#include "engine/base/cpu.h"
#include "engine/run/dense/window_axis.h"
#include "engine/run/step.h"

namespace quadlane::run {

class DeformRowsStep final : public Step {
 public:
  Isa isa = Isa::avx2;
  bool has_mask = false;
  int64_t images = 1, groups = 1, channels = 1;  // groups with offsets of their own, channels in each
  int64_t products = 1;                          // groups of the convolution
  std::array<WindowAxis, 2> axes{};              // rows, columns
  DenseAddress from{}, offset{}, mask{}, to{};
  static constexpr auto kFields =
      std::tuple{&DeformRowsStep::isa,      &DeformRowsStep::has_mask, &DeformRowsStep::images, &DeformRowsStep::groups,
                 &DeformRowsStep::channels, &DeformRowsStep::products, &DeformRowsStep::axes,   &DeformRowsStep::from,
                 &DeformRowsStep::offset,   &DeformRowsStep::mask,     &DeformRowsStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  int64_t taps() const { return axes[0].kernel * axes[1].kernel; }
  int64_t pixels() const { return axes[0].out * axes[1].out; }
  void block(const RunContext&, int64_t group, int64_t tap, int64_t first) const;
};

}  // namespace quadlane::run
