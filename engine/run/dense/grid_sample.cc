#include "engine/run/dense/grid_sample.h"

#include <algorithm>

#include "engine/base/on_isa.h"
#include "engine/run/dense/reflected.h"

namespace quadlane::run {
namespace {

// Coordinate i is grid[step * i]; in double, as the reference computes them. Each tap of a cubic is padded by itself.
void coordinates(const float* grid, int64_t step, int64_t n, const TapAxis& axis, double* x) {
  const auto extent = static_cast<double>(axis.extent), last = extent - 1, lo = axis.lo(), hi = axis.hi();
  const bool whole = axis.mode == GridMode::cubic;
  const bool clamps = !whole && axis.padding == GridPadding::border;
  const bool reflects = !whole && axis.padding == GridPadding::reflection;
  for (int64_t i = 0; i < n; ++i) {
    const double g = static_cast<double>(grid[step * i]) + 1;
    x[i] = axis.align ? g / 2 * last : (g * extent - 1) / 2;
    if (axis.mode == GridMode::nearest) x[i] = std::nearbyint(x[i]);
    if (clamps) x[i] = std::clamp(x[i], 0.0, last);
    if (reflects) x[i] = reflected(x[i], lo, hi);
  }
}

// The sums of K taps in every plane; a weight of 0 hides what the pixel holds.
template <int K>
void sum_taps(Isa isa, const PlaneTaps* taps, const float* x, int64_t plane, int64_t channels, int64_t n, float* y,
              int64_t result) {
  on_isa(isa, [=] {
    for (int64_t channel = 0; channel < channels; ++channel) {
      const float* from = x + channel * plane;
      float* to = y + channel * result;
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) {
        float sum = 0;
        for (int k = 0; k < K; ++k) {
          const float product = taps->weight[k][i] * from[taps->at[k][i]];
          sum += taps->weight[k][i] == 0 ? 0 : product;
        }
        to[i] = sum;
      }
    }
  });
}

}  // namespace

void GridSampleStep::block(const RunContext& ctx, int64_t image, int64_t first, int64_t n) const {
  const float* places = static_cast<const float*>(grid.at(ctx)) + axes * (image * pixels + first);
  const int64_t plane = extents[0] * extents[1] * extents[2], step = axes;
  PlaneTaps taps;
  taps.start(n);
  for (int64_t a = 3 - axes; a < 3; ++a) {
    const TapAxis axis{mode, padding, align_corners, extents[static_cast<size_t>(a)]};
    alignas(64) double at[kPlaces];
    double* x = at;
    on_isa(isa, [=] { coordinates(places + 2 - a, step, n, axis, x); });
    taps.add_axis(isa, axis, x, n);
  }
  const float* x = static_cast<const float*>(from.at(ctx)) + image * channels * plane;
  float* y = static_cast<float*>(to.at(ctx)) + image * channels * pixels + first;
  const auto sum = taps.count == 1   ? sum_taps<1>
                   : taps.count == 4 ? sum_taps<4>
                   : taps.count == 8 ? sum_taps<8>
                                     : sum_taps<16>;
  sum(isa, &taps, x, plane, channels, n, y, pixels);
}

void GridSampleStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const int64_t blocks = (pixels + kPlaces - 1) / kPlaces;
  Share share(images * blocks, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t first = i % blocks * kPlaces;
    block(ctx, i / blocks, first, std::min(kPlaces, pixels - first));
  }
}

}  // namespace quadlane::run
