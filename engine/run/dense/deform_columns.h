// What the taps of DeformConv read of dense f32 images, packed as the right operands of products with the weights (an
// image and a group of channels each): row channel * taps + tap, a column for each pixel of the result. Each tap of
// each pixel has a place of its own between the input's pixels, all channels of an offset group the same.
#pragma once

#include <array>

#include "engine/run/dense/gemm_pack.h"
#include "engine/run/dense/window_axis.h"

namespace quadlane::run {

class DeformColumnsStep final : public Step {
 public:
  Isa isa = Isa::avx2;  // of the loops
  bool has_mask = false;
  int64_t images = 1, groups = 1, channels = 1;  // groups with offsets of their own, channels in each
  std::array<WindowAxis, 2> axes{};              // rows, columns
  GemmLayout layout{};
  DenseAddress from{}, offset{}, mask{}, to{};
  static constexpr auto kFields =
      std::tuple{&DeformColumnsStep::isa,    &DeformColumnsStep::has_mask, &DeformColumnsStep::images,
                 &DeformColumnsStep::groups, &DeformColumnsStep::channels, &DeformColumnsStep::axes,
                 &DeformColumnsStep::layout, &DeformColumnsStep::from,     &DeformColumnsStep::offset,
                 &DeformColumnsStep::mask,   &DeformColumnsStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  void block(const RunContext&, int64_t group, int64_t tap, int64_t first) const;
};

}  // namespace quadlane::run
