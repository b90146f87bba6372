#include "engine/run/dense/grid_sample.h"

#include "engine/run/dense/on_isa.h"
#include "engine/run/dense/taps.h"

namespace quadlane::run {
namespace {

struct Axis {
  GridMode mode;
  GridPadding padding;
  bool align;
  int64_t extent;
  double lo() const { return align ? 0 : -0.5; }
  double hi() const { return static_cast<double>(extent - 1) - lo(); }
  int taps() const { return mode == GridMode::nearest ? 1 : mode == GridMode::linear ? 2 : 4; }
};

double reflected(double x, double lo, double hi) {
  const double range = hi - lo, far = std::fabs(x - lo), rest = far - std::floor(far / (2 * range)) * (2 * range);
  const double inside = lo + (rest > range ? 2 * range - rest : rest);
  return hi > lo ? (x < lo || x > hi ? inside : x) : lo;
}
// Of a pixel at distance d; a = -0.75.
double cubic(double d) {
  constexpr double a = -0.75;
  return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

// Coordinate i is grid[step * i]; in double, as the reference computes them.
void coordinates(const float* grid, int64_t step, int64_t n, const Axis& axis, double* x) {
  const auto extent = static_cast<double>(axis.extent), last = extent - 1, lo = axis.lo(), hi = axis.hi();
  for (int64_t i = 0; i < n; ++i) {
    const double g = static_cast<double>(grid[step * i]) + 1;
    x[i] = axis.align ? g / 2 * last : (g * extent - 1) / 2;
    if (axis.mode == GridMode::nearest) x[i] = std::nearbyint(x[i]);
    if (axis.mode == GridMode::cubic) continue;  // each tap is padded
    if (axis.padding == GridPadding::border) x[i] = std::clamp(x[i], 0.0, last);
    if (axis.padding == GridPadding::reflection) x[i] = reflected(x[i], lo, hi);
  }
}

// Where padding is no zero, every tap reads a pixel.
void find_taps(const double* x, int64_t n, const Axis& axis, AxisTaps* taps) {
  if (axis.mode == GridMode::linear && axis.padding == GridPadding::zeros) return linear_taps(x, n, axis.extent, taps);
  const double last = static_cast<double>(axis.extent - 1), lo = axis.lo(), hi = axis.hi();
  const bool zeros = axis.padding == GridPadding::zeros, reflect = axis.padding == GridPadding::reflection;
  const bool is_cubic = axis.mode == GridMode::cubic, one = axis.mode == GridMode::nearest;
  for (int k = 0; k < axis.taps(); ++k)
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const double first = std::floor(x[i]), f = x[i] - first, pixel = first + (is_cubic ? k - 1 : k);
      const double weight = is_cubic ? cubic(std::fabs(f + 1 - k)) : one ? 1 : k ? f : 1 - f;
      const double at = reflect ? reflected(pixel, lo, hi) : pixel;
      taps->at[k][i] = static_cast<int32_t>(at > 0 ? std::min(at, last) : 0.0);
      taps->weight[k][i] = static_cast<float>(zeros && !(at >= 0 && at <= last) ? 0.0 : weight);
    }
}

}  // namespace

// K taps of each place: those of its axes multiplied.
template <int K>
void GridSampleStep::block(const RunContext& ctx, int64_t image, int64_t first, int64_t n) const {
  const float* places = static_cast<const float*>(grid.at(ctx)) + axes * (image * pixels + first);
  const int64_t plane = extents[0] * extents[1] * extents[2], result = pixels, count = channels, step = axes;
  const float* x = static_cast<const float*>(from.at(ctx)) + image * channels * plane;
  float* y = static_cast<float*>(to.at(ctx)) + image * channels * pixels + first;
  alignas(64) PlaneTaps<K> taps;
  PlaneTaps<K>* t = &taps;
  for (int k = 0; k < K; ++k) std::fill_n(t->at[k], n, 0), std::fill_n(t->weight[k], n, 1.0f);
  int64_t inner = K;  // how many taps in turn read one tap of the axis
  for (int64_t a = 3 - axes; a < 3; ++a) {
    const Axis axis{mode, padding, align_corners, extents[static_cast<size_t>(a)]};
    const int each = axis.taps();
    inner /= each;
    alignas(64) double at[kPlaces];
    alignas(64) AxisTaps found;
    double* c = at;
    AxisTaps* f = &found;
    on_isa(isa, [=] {
      coordinates(places + 2 - a, step, n, axis, c);
      find_taps(c, n, axis, f);
      const auto extent = static_cast<int32_t>(axis.extent);
      for (int64_t k = 0; k < K; ++k) {
        const int32_t* pixel = f->at[k / inner % each];
        const float* weight = f->weight[k / inner % each];
        for (int64_t i = 0; i < n; ++i) t->at[k][i] = t->at[k][i] * extent + pixel[i], t->weight[k][i] *= weight[i];
      }
    });
  }
  on_isa(isa, [=] {
    for (int64_t channel = 0; channel < count; ++channel) sum_taps(*t, x + channel * plane, n, y + channel * result);
  });
}

void GridSampleStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const int64_t blocks = (pixels + kPlaces - 1) / kPlaces;
  Share share(images * blocks, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t image = i / blocks, first = i % blocks * kPlaces, n = std::min(kPlaces, pixels - first);
    if (mode == GridMode::nearest)
      block<1>(ctx, image, first, n);
    else if (mode == GridMode::cubic)
      block<16>(ctx, image, first, n);
    else if (axes == 2)
      block<4>(ctx, image, first, n);
    else
      block<8>(ctx, image, first, n);
  }
}

}  // namespace quadlane::run
