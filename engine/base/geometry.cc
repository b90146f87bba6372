#include "engine/base/geometry.h"

namespace quadlane {
namespace {

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

Result<Geometry> make_geometry(int64_t n, int64_t h, int64_t w, int gap, int pad_top, int pad_bottom) {
  constexpr int64_t kLimit = int64_t{1} << 31;
  if (n < 1 || h < 1 || w < 1 || n >= kLimit || h >= kLimit || w >= kLimit || gap < 0 || pad_top < 0 || pad_bottom < 0)
    return invalid_argument("no plane of ", n, "x", h, "x", w, " pixels with gap ", gap, ", padding ", pad_top, ",",
                            pad_bottom);
  __int128 rows = __int128{h} + pad_top + pad_bottom + 1, total = rows * (w + gap) * n;
  if (total >= kLimit)
    return unsupported("a plane of ", n, "x", h, "x", w, " pixels exceeds 2^31 pixels with its padding");
  Geometry g;
  g.n = static_cast<int>(n);
  g.h = static_cast<int>(h);
  g.w = static_cast<int>(w);
  g.gap = gap;
  g.pad_top = pad_top;
  g.pad_bottom = pad_bottom;
  g.pitch = g.w + gap;
  int64_t above = int64_t{pad_top} * g.pitch + gap;  // padding before (0, 0)
  g.origin = round_up(above + kSlackPixels, kVectorPixels);
  // The last vector of an image ends in its bottom padding or, when that is shorter, in the distance to the next image.
  int64_t below = int64_t{h + pad_bottom} * g.pitch + gap;
  int64_t covered = int64_t{g.vectors()} * kVectorPixels;
  g.image_pixels = round_up(std::max(below, covered) + above, kVectorPixels);
  g.plane_pixels =
      g.origin + round_up((n - 1) * g.image_pixels + std::max(below, covered) + kSlackPixels, kVectorPixels);
  // An odd number of cache lines: equal pixels of successive planes fall into different sets of every cache.
  if (g.plane_pixels / kVectorPixels % 2 == 0) g.plane_pixels += kVectorPixels;
  return g;
}

std::string describe(const Geometry& g) {
  return cat(g.n, "x", g.h, "x", g.w, " gap", g.gap, " pad", g.pad_top, ",", g.pad_bottom);
}

std::vector<uint16_t> valid_lanes(const Geometry& g) {
  std::vector<uint16_t> lanes(static_cast<size_t>(g.vectors()));
  for (size_t v = 0; v < lanes.size(); ++v)
    for (int i = 0; i < kVectorPixels; ++i) {
      int64_t p = static_cast<int64_t>(v) * kVectorPixels + i;
      if (p % g.pitch < g.w && p / g.pitch < g.h) lanes[v] = static_cast<uint16_t>(lanes[v] | 1u << i);
    }
  return lanes;
}

}  // namespace quadlane
