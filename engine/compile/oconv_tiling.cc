#include "engine/compile/oconv_tiling.h"

#include <algorithm>

namespace quadlane::compile {
namespace {

constexpr size_t kMaxKinds = 256;  // of OconvStep::kinds

int64_t floor_mod(int64_t a, int64_t b) { return (a % b + b) % b; }

// Input row (or column) that output i reads, or nothing: between two rows, or left out.
std::optional<int64_t> read_at(int64_t i, int64_t offset, int64_t stride, int64_t up, int64_t inputs, bool skips) {
  const int64_t at = i * stride + offset;
  if (floor_mod(at, up) != 0 || (skips && (at < 0 || at / up >= inputs))) return std::nullopt;
  return at / up;
}

double share_read(int64_t offset, int64_t stride, int64_t up, int64_t outputs, int64_t inputs, bool skips) {
  int64_t count = 0;
  for (int64_t i = 0; i < outputs; ++i) count += read_at(i, offset, stride, up, inputs, skips).has_value();
  return static_cast<double>(count) / static_cast<double>(outputs);
}

// Bit r * columns + c: pixel (y0 + r, x0 + c) reads the tap.
uint32_t pixels_reading(const OconvProblem& p, const Geometry& src, const ConvTap& tap, int y0, int x0, int rows,
                        int columns) {
  uint32_t pixels = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c)
      if (read_at(y0 + r, tap.dy, p.stride_y, p.up_y, src.h, p.skips_padding) &&
          read_at(x0 + c, tap.dx, p.stride_x, p.up_x, src.w, p.skips_padding))
        pixels |= 1u << (r * columns + c);
  return pixels;
}

// Where segment `s` of `segments` begins: whole steps of `up`, as equal as possible.
int first_column(int w, int up, int s, int segments) {
  return std::min(w, static_cast<int>(int64_t{(w + up - 1) / up} * s / segments * up));
}

}  // namespace

void OconvTiling::apply(run::OconvStep& step, const OconvProblem& p, const Geometry& src, const Geometry& dst) const {
  step.src = src;
  step.dst = dst;
  step.stride_y = p.stride_y, step.stride_x = p.stride_x, step.up_y = p.up_y, step.up_x = p.up_x;
  step.tile_rows = rows;
  step.first_columns = first_columns;
  step.kinds = kinds;
}

std::vector<std::vector<OconvTap>> oconv_taps(const OconvProblem& p, const Geometry& src) {
  std::vector<std::vector<OconvTap>> taps;
  for (const ConvSection& section : p.sections) {
    taps.emplace_back();
    for (const ConvTap& tap : section.taps) {
      // The first output that reads it, as a distance from that output's place.
      const int64_t y = (tap.dy + floor_mod(-tap.dy, p.up_y)) / p.up_y,
                    x = (tap.dx + floor_mod(-tap.dx, p.up_x)) / p.up_x;
      taps.back().push_back({(y * src.pitch + x) * kPixelBytes, ~uint32_t{0}});
    }
  }
  return taps;
}

OconvExtent oconv_extent(const OconvProblem& p, int64_t outputs, const Geometry& src, const Geometry& dst) {
  OconvExtent extent{outputs, dst.h, dst.w, {}, p.up_y, p.up_x, 1};
  double reads = 0, taps = 0;
  for (size_t s = 0; s < p.sections.size(); ++s) {
    extent.section_planes.push_back(static_cast<int64_t>(p.sources[s].planes.size()));
    for (const ConvTap& tap : p.sections[s].taps) {
      taps += 1;
      reads += share_read(tap.dy, p.stride_y, p.up_y, dst.h, src.h, p.skips_padding) *
               share_read(tap.dx, p.stride_x, p.up_x, dst.w, src.w, p.skips_padding);
    }
  }
  extent.read = reads / taps;
  return extent;
}

Result<OconvTiling> oconv_tiling(const OconvProblem& p, const OconvSchedule& schedule, const Geometry& src,
                                 const Geometry& dst) {
  OconvTiling t;
  t.rows = schedule.rows;
  const int segments = (dst.w + schedule.columns - 1) / schedule.columns;
  for (int s = 0; s < segments; ++s) t.first_columns.push_back(first_column(dst.w, p.up_x, s, segments));
  const auto whole = oconv_taps(p, src);
  for (int y = 0; y < dst.h; y += t.rows)
    for (int s = 0; s < segments; ++s) {
      const int x = t.first_columns[static_cast<size_t>(s)];
      OconvTiling::Kind kind{std::min(t.rows, dst.h - y), first_column(dst.w, p.up_x, s + 1, segments) - x, whole};
      for (size_t i = 0; i < kind.taps.size(); ++i)
        for (size_t j = 0; j < kind.taps[i].size(); ++j)
          kind.taps[i][j].pixels = pixels_reading(p, src, p.sections[i].taps[j], y, x, kind.rows, kind.columns);
      const auto at = std::find(t.distinct.begin(), t.distinct.end(), kind);
      t.kinds.push_back(static_cast<uint8_t>(at - t.distinct.begin()));
      if (at == t.distinct.end()) t.distinct.push_back(std::move(kind));
      if (t.distinct.size() > kMaxKinds)
        return make_error(Code::internal, "more than ", kMaxKinds, " kinds of tiles in ", describe(dst));
    }
  return t;
}

int64_t oconv_band_rows(const OconvProblem& p, const OconvTiling& tiling, const Geometry& src, const CpuInfo& cpu) {
  int64_t row_bytes = 0;
  for (const PlanarValue& source : p.sources)
    row_bytes +=
        static_cast<int64_t>(source.planes.size()) * src.pitch * kPixelBytes * p.stride_y * tiling.rows / p.up_y;
  return std::max<int64_t>(1, cpu.l2_bytes / 2 / std::max<int64_t>(row_bytes, 1));
}

}  // namespace quadlane::compile
