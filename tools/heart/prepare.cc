#include "tools/heart/prepare.h"

#include <algorithm>
#include <vector>

namespace quadlane::tools {
namespace {

// How one axis of the slice meets the network's: `count` pixels from `source` on lie at `target` on.
struct Axis {
  int source, target, count;
  Axis(int n, int size)
      : source(n > size ? (n - size) / 2 : 0), target(n < size ? (size - n) / 2 : 0), count(std::min(n, size)) {}
};

// The element of rank (count - 1) * percent / 100.
float percentile(std::vector<float>& values, size_t percent) {
  auto at = values.begin() + static_cast<ptrdiff_t>((values.size() - 1) * percent / 100);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

void prepare(std::span<const float> slice, int rows, int columns, int size, std::span<float> target) {
  Axis y(rows, size), x(columns, size);
  std::vector<float> kept;
  kept.reserve(static_cast<size_t>(y.count) * x.count);
  for (int r = 0; r < y.count; ++r) {
    const float* row = slice.data() + static_cast<size_t>(y.source + r) * columns + x.source;
    kept.insert(kept.end(), row, row + x.count);
  }
  std::vector<float> ordered = kept;
  float low = percentile(ordered, 1), high = percentile(ordered, 99), width = high - low;

  std::fill(target.begin(), target.end(), 0.0f);
  if (!(high > low)) return;
  for (int r = 0; r < y.count; ++r)
    for (int c = 0; c < x.count; ++c)
      target[static_cast<size_t>(y.target + r) * size + x.target + c] =
          std::clamp((kept[static_cast<size_t>(r) * x.count + c] - low) / width, 0.0f, 1.0f);
}

void place_back(std::span<const uint8_t> labels, int size, int rows, int columns, std::span<uint8_t> target) {
  Axis y(rows, size), x(columns, size);
  std::fill(target.begin(), target.end(), uint8_t{0});
  for (int r = 0; r < y.count; ++r)
    std::copy_n(labels.data() + static_cast<size_t>(y.target + r) * size + x.target, x.count,
                target.data() + static_cast<size_t>(y.source + r) * columns + x.source);
}

}  // namespace quadlane::tools
