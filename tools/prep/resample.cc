#include "tools/prep/resample.h"

#include <algorithm>
#include <cmath>

namespace quadlane::tools {
namespace {

struct Taps {
  int first;
  std::vector<float> weights;
};

Taps taps_of(int target, int in, int out, Filter filter) {
  const double scale = static_cast<double>(in) / out, centre = (target + 0.5) * scale - 0.5;
  if (filter == Filter::nearest) return {std::clamp(static_cast<int>(std::floor(centre + 0.5)), 0, in - 1), {1}};
  if (filter == Filter::linear || scale <= 1) {
    const double at = std::clamp(centre, 0.0, in - 1.0);
    const int low = std::min(static_cast<int>(at), std::max(in - 2, 0));
    const float share = static_cast<float>(at - low);
    if (in == 1) return {0, {1}};
    return {low, {1 - share, share}};
  }
  const int first = std::max(0, static_cast<int>(std::ceil(centre - scale)));
  const int last = std::min(in - 1, static_cast<int>(std::floor(centre + scale)));
  Taps taps{first, {}};
  double sum = 0;
  for (int i = first; i <= last; ++i) {
    const double w = std::max(0.0, 1 - std::abs(i - centre) / scale);
    taps.weights.push_back(static_cast<float>(w));
    sum += w;
  }
  for (float& w : taps.weights) w = static_cast<float>(w / sum);
  return taps;
}

std::vector<Taps> all_taps(int in, int out, Filter filter) {
  std::vector<Taps> taps;
  for (int i = 0; i < out; ++i) taps.push_back(taps_of(i, in, out, filter));
  return taps;
}

Raster resample_rows(const Raster& in, int rows, Filter filter) {
  Raster out{in.channels, rows, in.columns, {}};
  out.values.assign(static_cast<size_t>(out.channels) * out.plane(), 0);
  const std::vector<Taps> taps = all_taps(in.rows, rows, filter);
  for (int c = 0; c < in.channels; ++c)
    for (int y = 0; y < rows; ++y) {
      float* target = out.values.data() + static_cast<size_t>(c) * out.plane() + static_cast<size_t>(y) * out.columns;
      for (size_t k = 0; k < taps[y].weights.size(); ++k) {
        const size_t row = static_cast<size_t>(taps[y].first) + k;
        const float* source = in.values.data() + static_cast<size_t>(c) * in.plane() + row * in.columns;
        for (int x = 0; x < in.columns; ++x) target[x] += taps[y].weights[k] * source[x];
      }
    }
  return out;
}

Raster resample_columns(const Raster& in, int columns, Filter filter) {
  Raster out{in.channels, in.rows, columns, {}};
  out.values.reserve(static_cast<size_t>(out.channels) * out.plane());
  const std::vector<Taps> taps = all_taps(in.columns, columns, filter);
  for (int line = 0; line < in.channels * in.rows; ++line)
    for (const Taps& t : taps) {
      const float* source = in.values.data() + static_cast<size_t>(line) * in.columns + t.first;
      float sum = 0;
      for (size_t k = 0; k < t.weights.size(); ++k) sum += t.weights[k] * source[k];
      out.values.push_back(sum);
    }
  return out;
}

}  // namespace

Raster resample(const Raster& in, int rows, int columns, Filter filter) {
  return resample_columns(resample_rows(in, rows, filter), columns, filter);
}

}  // namespace quadlane::tools
