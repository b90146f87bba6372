// RoiAlign of dense f32 images, mode avg: every bin of a region is the mean of a grid of points between the pixels. A
// grid's points are rows times columns, and so are their weights: rows of pixels are added up first, then columns.
#pragma once

#include "engine/base/cpu.h"
#include "engine/run/step.h"

namespace quadlane::run {

class RoiAlignStep final : public Step {
 public:
  static constexpr int64_t kMostBins = 128, kMostPixels = 4096;  // along one axis
  static constexpr int64_t kMostPoints = 1 << 16;                // of a bin along one axis

  struct Axis {
    int64_t pixels = 1, bins = 1;
    static constexpr auto kFields = std::tuple{&Axis::pixels, &Axis::bins};
  };
  Isa isa = Isa::avx2;
  bool half_pixel = true;  // regions are shifted by half a pixel; else they have at least one pixel
  int64_t regions = 0, images = 1, channels = 1;
  Axis down, across;
  int64_t ratio = 0;  // points of a bin along each axis; 0: one for each pixel begun
  float scale = 1;
  DenseAddress from{}, boxes{}, image{}, to{};
  static constexpr auto kFields =
      std::tuple{&RoiAlignStep::isa,      &RoiAlignStep::half_pixel, &RoiAlignStep::regions, &RoiAlignStep::images,
                 &RoiAlignStep::channels, &RoiAlignStep::down,       &RoiAlignStep::across,  &RoiAlignStep::ratio,
                 &RoiAlignStep::scale,    &RoiAlignStep::from,       &RoiAlignStep::boxes,   &RoiAlignStep::image,
                 &RoiAlignStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  struct Bins;
  Status find(const Axis&, float begin, float end, Bins*) const;
  Status region(const RunContext&, int64_t r, int64_t first_channel, int64_t count) const;
};

}  // namespace quadlane::run
