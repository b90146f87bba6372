// GridSample of dense f32 images and volumes: the sum of the pixels around a place, weighted by how near they are.
#pragma once

#include <array>

#include "engine/run/dense/taps.h"
#include "engine/run/step.h"

template <>
inline constexpr quadlane::run::GridPadding quadlane::kLastOf<quadlane::run::GridPadding> =
    quadlane::run::GridPadding::reflection;
template <>
inline constexpr quadlane::run::GridMode quadlane::kLastOf<quadlane::run::GridMode> = quadlane::run::GridMode::cubic;
namespace quadlane::run {

class GridSampleStep final : public Step {
 public:
  Isa isa = Isa::avx2;
  GridMode mode = GridMode::linear;
  GridPadding padding = GridPadding::zeros;
  bool align_corners = false;
  int64_t axes = 2;  // of a place in the grid, innermost first
  int64_t images = 1, channels = 1;
  std::array<int64_t, 3> extents{1, 1, 1};  // depth (1: an image), height, width
  int64_t pixels = 1;                       // of one image of the result
  DenseAddress from{}, grid{}, to{};
  static constexpr auto kFields = std::tuple{
      &GridSampleStep::isa,    &GridSampleStep::mode,   &GridSampleStep::padding,  &GridSampleStep::align_corners,
      &GridSampleStep::axes,   &GridSampleStep::images, &GridSampleStep::channels, &GridSampleStep::extents,
      &GridSampleStep::pixels, &GridSampleStep::from,   &GridSampleStep::grid,     &GridSampleStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  void block(const RunContext&, int64_t image, int64_t first, int64_t n) const;
};

}  // namespace quadlane::run
