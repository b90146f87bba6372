#include "engine/run/dense/roi_align.h"

#include <algorithm>
#include <cmath>

#include "engine/base/guard.h"
#include "engine/base/on_isa.h"

namespace quadlane::run {
namespace {

constexpr int64_t kCacheBytes = 1 << 20;  // of the channels that share the weights of a region
constexpr int64_t kMostChannels = 32;

}  // namespace

// Of each bin the pixels that its points touch and how much each counts: entries [start[b], start[b + 1]).
struct RoiAlignStep::Bins {
  int32_t start[kMostBins + 1];
  int32_t pixel[kMostPixels + 2 * kMostBins];
  float weight[kMostPixels + 2 * kMostBins];

  // Points come in order: a pixel that was touched before is among the last three.
  void add(int32_t b, int32_t at, double w, int32_t* end) {
    if (w == 0) return;
    for (int32_t e = *end - 1; e >= std::max(start[b], *end - 3); --e)
      if (pixel[e] == at) {
        weight[e] += static_cast<float>(w);
        return;
      }
    pixel[*end] = at, weight[*end] = static_cast<float>(w);
    ++*end;
  }
};

Status RoiAlignStep::find(const Axis& axis, float begin, float end, Bins* bins) const {
  const double shift = half_pixel ? 0.5 : 0, factor = scale, first = begin * factor - shift;
  double length = end * factor - shift - first;
  if (!half_pixel) length = std::max(length, 1.0);
  const double bin = length / static_cast<double>(axis.bins);
  double points = ratio > 0 ? static_cast<double>(ratio) : std::ceil(bin);
  if (points > static_cast<double>(kMostPoints))
    return invalid_argument("region from ", begin, " to ", end, " has ", points, " points a bin, the limit is ",
                            kMostPoints);
  if (!(points > 0)) points = 0;
  const auto extent = static_cast<double>(axis.pixels);
  int32_t used = 0;
  for (int32_t b = 0; b < axis.bins; ++b) {
    bins->start[b] = used;
    for (double i = 0; i < points; ++i) {
      const double at = first + b * bin + (i + 0.5) * bin / points;
      if (!(at >= -1 && at <= extent)) continue;  // reads nothing; up to a pixel outside, the border
      const double inside = std::clamp(at, 0.0, extent - 1), low = std::floor(inside), fraction = inside - low;
      bins->add(b, static_cast<int32_t>(low), (1 - fraction) / points, &used);
      bins->add(b, static_cast<int32_t>(low) + 1, fraction / points, &used);
    }
  }
  bins->start[axis.bins] = used;
  return {};
}

Status RoiAlignStep::region(const RunContext& ctx, int64_t r, int64_t first_channel, int64_t count) const {
  const int64_t n = static_cast<const int64_t*>(image.at(ctx))[r];
  if (n < 0 || n >= images) return invalid_argument("image ", n, " does not exist among ", images);
  const float* box = static_cast<const float*>(boxes.at(ctx)) + 4 * r;
  Bins rows, columns;
  QL_CHECK_OK(find(down, box[1], box[3], &rows));
  QL_CHECK_OK(find(across, box[0], box[2], &columns));
  const int32_t touched = columns.start[across.bins];
  if (touched == 0) rows.start[down.bins] = 0;
  const auto [low, high] = std::minmax_element(columns.pixel, columns.pixel + touched);
  const int64_t begin = touched ? *low : 0, width = touched ? *high + 1 - begin : 0;
  const int64_t plane = down.pixels * across.pixels, row_pixels = across.pixels, bins = down.bins * across.bins;
  const float* x = static_cast<const float*>(from.at(ctx)) + (n * channels + first_channel) * plane + begin;
  float* y = static_cast<float*>(to.at(ctx)) + (r * channels + first_channel) * bins;
  const Bins *in_rows = &rows, *in_columns = &columns;
  const auto down_bins = static_cast<int32_t>(down.bins), across_bins = static_cast<int32_t>(across.bins);
  on_isa(isa, [=] {
    alignas(64) float sums[kMostPixels];
    for (int64_t c = 0; c < count; ++c)
      for (int32_t b = 0; b < down_bins; ++b) {
        for (int64_t i = 0; i < width; ++i) sums[i] = 0;
        for (int32_t e = in_rows->start[b]; e < in_rows->start[b + 1]; ++e) {
          const float* row = x + c * plane + in_rows->pixel[e] * row_pixels;
          const float weight = in_rows->weight[e];
          for (int64_t i = 0; i < width; ++i) sums[i] += weight * row[i];
        }
        for (int32_t a = 0; a < across_bins; ++a) {
          float sum = 0;
          for (int32_t e = in_columns->start[a]; e < in_columns->start[a + 1]; ++e)
            sum += in_columns->weight[e] * sums[in_columns->pixel[e] - begin];
          y[c * bins + b * across_bins + a] = sum;
        }
      }
  });
  return {};
}

// All regions of some channels one after the other: they read the same planes.
void RoiAlignStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const int64_t together = std::clamp<int64_t>(kCacheBytes / (4 * down.pixels * across.pixels), 1, kMostChannels);
  const int64_t blocks = (channels + together - 1) / together;
  Share share(blocks * regions, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t first = i / regions * together, count = std::min(together, channels - first);
    Status status = guarded([&] { return region(ctx, i % regions, first, count); });
    if (!status.ok()) return ctx.keep(*this, part, std::move(status));
  }
}

}  // namespace quadlane::run
