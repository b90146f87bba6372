// GridSample of dense f32 images, linear: the mean of the four pixels around a place, weighted by how near they are.
#pragma once

#include "engine/base/cpu.h"
#include "engine/run/step.h"

namespace quadlane::run {

enum class GridPadding : uint8_t { zeros, border, reflection };
}  // namespace quadlane::run
template <>
inline constexpr quadlane::run::GridPadding quadlane::kLastOf<quadlane::run::GridPadding> =
    quadlane::run::GridPadding::reflection;
namespace quadlane::run {

class GridSampleStep final : public Step {
 public:
  Isa isa = Isa::avx2;
  GridPadding padding = GridPadding::zeros;
  bool align_corners = false;
  int64_t images = 1, channels = 1, h = 1, w = 1, pixels = 1;  // pixels: of one image of the result
  DenseAddress from{}, grid{}, to{};
  static constexpr auto kFields =
      std::tuple{&GridSampleStep::isa,    &GridSampleStep::padding,  &GridSampleStep::align_corners,
                 &GridSampleStep::images, &GridSampleStep::channels, &GridSampleStep::h,
                 &GridSampleStep::w,      &GridSampleStep::pixels,   &GridSampleStep::from,
                 &GridSampleStep::grid,   &GridSampleStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
