#include "engine/run/dense/taps.h"

#include <algorithm>
#include <cmath>

#include "engine/base/on_isa.h"
#include "engine/run/dense/reflected.h"

namespace quadlane::run {
namespace {

struct AxisTaps {
  int32_t at[4][kPlaces];
  float weight[4][kPlaces];
};

// Of a pixel at distance d; a = -0.75.
double cubic(double d) {
  constexpr double a = -0.75;
  return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

// Where padding is no zero, every tap reads a pixel.
void find(const double* x, int64_t n, const TapAxis& axis, AxisTaps* taps) {
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

void PlaneTaps::start(int64_t n) {
  count = 1;
  std::fill_n(at[0], n, 0);
  std::fill_n(weight[0], n, 1.0f);
}

void PlaneTaps::add_axis(Isa isa, const TapAxis& axis, const double* x, int64_t n) {
  AxisTaps found;
  AxisTaps* f = &found;
  PlaneTaps* taps = this;
  const TapAxis of = axis;
  const int each = axis.taps(), before = count;
  count *= each;
  on_isa(isa, [=] {
    find(x, n, of, f);
    const auto extent = static_cast<int32_t>(of.extent);
    for (int k = before * each - 1; k >= 0; --k) {  // the last one first: the taps so far are overwritten by their own
      const int32_t *outer = taps->at[k / each], *pixel = f->at[k % each];
      const float *factor = taps->weight[k / each], *weight = f->weight[k % each];
      int32_t* to = taps->at[k];
      float* product = taps->weight[k];
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) to[i] = outer[i] * extent + pixel[i], product[i] = factor[i] * weight[i];
    }
  });
}

}  // namespace quadlane::run
