#include "engine/run/dense/grid_sample.h"

#include <algorithm>
#include <cmath>

#include "engine/run/dense/on_isa.h"

namespace quadlane::run {
namespace {

constexpr int64_t kTogether = 256;  // places whose pixels are found before the channels are walked

struct Axis {
  GridPadding padding;
  bool align;
  int64_t extent;
};
// Of each place the two pixels along an axis and their weights; a pixel outside weighs 0 where padding is zeros.
struct AxisTaps {
  int32_t at[2][kTogether];
  float weight[2][kTogether];
};

double reflected(double x, double lo, double hi) {
  const double range = hi - lo, far = std::fabs(x - lo), rest = far - std::floor(far / (2 * range)) * (2 * range);
  return lo + (rest > range ? 2 * range - rest : rest);
}

// Coordinate i is grid[2 * i]; in double, as the reference computes them.
void find_taps(const float* grid, int64_t n, const Axis& axis, AxisTaps* taps) {
  const auto extent = static_cast<double>(axis.extent), last = extent - 1;
  const double lo = axis.align ? 0 : -0.5, hi = last - lo;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const double g = static_cast<double>(grid[2 * i]) + 1;
    double x = axis.align ? g / 2 * last : (g * extent - 1) / 2;
    if (axis.padding == GridPadding::border) x = std::clamp(x, 0.0, last);
    if (axis.padding == GridPadding::reflection) x = hi > lo ? (x < lo || x > hi ? reflected(x, lo, hi) : x) : lo;
    const double first = std::floor(x);
    for (int k = 0; k < 2; ++k) {
      const double at = first + k, weight = k ? x - first : 1 - (x - first);
      const bool inside = at >= 0 && at <= last;
      taps->at[k][i] = static_cast<int32_t>(at > 0 ? std::min(at, last) : 0.0);
      taps->weight[k][i] = static_cast<float>(axis.padding == GridPadding::zeros && !inside ? 0.0 : weight);
    }
  }
}

}  // namespace

void GridSampleStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const int64_t blocks = (pixels + kTogether - 1) / kTogether;
  Share share(images * blocks, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t image = i / blocks, first = i % blocks * kTogether, n = std::min(kTogether, pixels - first);
    const float* places = static_cast<const float*>(grid.at(ctx)) + 2 * (image * pixels + first);
    const float* x = static_cast<const float*>(from.at(ctx)) + image * channels * h * w;
    float* y = static_cast<float*>(to.at(ctx)) + image * channels * pixels + first;
    const Axis across{padding, align_corners, w}, down{padding, align_corners, h};
    alignas(64) AxisTaps columns, rows;
    AxisTaps *c = &columns, *r = &rows;
    const int64_t width = w, in = h * w, result = pixels, count = channels;
    on_isa(isa, [=] {
      find_taps(places, n, across, c);
      find_taps(places + 1, n, down, r);
      alignas(64) int32_t at[4][kTogether];
      alignas(64) float weight[4][kTogether];
      for (int k = 0; k < 4; ++k)
        for (int64_t p = 0; p < n; ++p) {
          at[k][p] = r->at[k / 2][p] * static_cast<int32_t>(width) + c->at[k % 2][p];
          weight[k][p] = r->weight[k / 2][p] * c->weight[k % 2][p];
        }
      for (int64_t channel = 0; channel < count; ++channel) {
        const float* plane = x + channel * in;
        float* values = y + channel * result;
#pragma GCC ivdep
        for (int64_t p = 0; p < n; ++p) {
          float sum = 0;
          for (int k = 0; k < 4; ++k) {
            const float product = weight[k][p] * plane[at[k][p]];
            sum += weight[k][p] == 0 ? 0 : product;
          }
          values[p] = sum;
        }
      }
    });
  }
}

}  // namespace quadlane::run
