#include "engine/run/move_step.h"

#include <algorithm>
#include <cstring>

namespace quadlane::run {
namespace {

void move_row(uint32_t* to, const uint32_t* from, const MoveTable& t, uint32_t fill) {
  auto one = [&](int32_t x) {
    const int32_t column = t.columns[static_cast<size_t>(x)];
    to[x] = column == kFill ? fill : from[column];
  };
  const int32_t w = static_cast<int32_t>(t.columns.size());
  for (int32_t x = 0; x < t.run_begin; ++x) one(x);
  if (t.run_begin < t.run_end) {
    const uint32_t* first = from + t.columns[static_cast<size_t>(t.run_begin)];
    const int32_t count = t.run_end - t.run_begin;
    if (t.run_step == 1)
      std::memmove(to + t.run_begin, first, static_cast<size_t>(count) * kPixelBytes);
    else
      for (int32_t i = 0; i < count; ++i) to[t.run_begin + i] = first[int64_t{i} * t.run_step];
  }
  for (int32_t x = t.run_end; x < w; ++x) one(x);
}

}  // namespace

MoveTable make_move_table(std::vector<int32_t> rows, std::vector<int32_t> columns) {
  MoveTable t{std::move(rows), std::move(columns)};
  const auto& c = t.columns;
  const int32_t w = static_cast<int32_t>(c.size());
  for (int32_t begin = 0; begin < w;) {
    int32_t end = begin + 1;
    if (c[static_cast<size_t>(begin)] != kFill) {
      const int32_t step = end < w ? c[static_cast<size_t>(end)] - c[static_cast<size_t>(begin)] : 1;
      while (end < w && c[static_cast<size_t>(end)] != kFill &&
             c[static_cast<size_t>(end)] - c[static_cast<size_t>(end - 1)] == step)
        ++end;
      if (end - begin > t.run_end - t.run_begin) t.run_begin = begin, t.run_end = end, t.run_step = step;
    }
    begin = end;
  }
  if (t.run_begin == t.run_end) t.run_begin = t.run_end = w;
  return t;
}

void MoveStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  fill_padding(ctx.arena, g, dst.planes, dst.pads, Stored::rows, part, parts);
  Share share(int64_t{g.n} * g.h, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t image = i / g.h, y = i % g.h;
    for (size_t p = 0; p < dst.planes.size(); ++p) {
      const MoveTable& t = tables[table[p]];
      auto* to = reinterpret_cast<uint32_t*>(dst.at(ctx, image, y) + dst.planes[p]);
      const int32_t row = t.rows[static_cast<size_t>(y)];
      const auto* from = reinterpret_cast<const uint32_t*>(ctx.arena + src_planes[p] + image * src.image_bytes()) +
                         int64_t{row} * src.pitch;
      row == kFill ? static_cast<void>(std::fill(to, to + g.w, fill)) : move_row(to, from, t, fill);
      std::fill(to + g.w, to + g.pitch, dst.pads[p]);
    }
  }
}

// Sixteen pixels at a time, so that they stay in the cache while their channels are visited one by one.
void ChannelsLastStep::row(std::byte* arena, std::byte* pixels, int64_t image, int64_t y) const noexcept {
  const Geometry& g = planes.geometry;
  const int64_t at = (image * g.image_pixels + y * g.pitch) * kPixelBytes,
                count = static_cast<int64_t>(channels.size());
  auto visit = [&]<class T>(T) {
    constexpr int64_t kLanes = kPixelBytes / static_cast<int64_t>(sizeof(T));
    T* last = reinterpret_cast<T*>(pixels);
    for (int64_t first = 0; first < g.w; first += 16) {
      const int64_t end = std::min<int64_t>(first + 16, g.w);
      for (int64_t c = 0; c < count; ++c) {
        const ChannelPlace& place = channels[static_cast<size_t>(c)];
        T* plane = reinterpret_cast<T*>(arena + place.plane + at) + place.lane;
        if (to_planes)
          for (int64_t x = first; x < end; ++x) plane[x * kLanes] = last[x * count + c];
        else
          for (int64_t x = first; x < end; ++x) last[x * count + c] = plane[x * kLanes];
      }
    }
  };
  element_bytes == 4 ? visit(uint32_t{}) : visit(uint8_t{});
}

void ChannelsLastStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = planes.geometry;
  if (to_planes) fill_padding(ctx.arena, g, planes.planes, planes.pads, Stored::rows, part, parts);
  auto* base = static_cast<std::byte*>(dense.at(ctx));
  const int64_t row_bytes = int64_t{g.w} * static_cast<int64_t>(channels.size()) * element_bytes;
  Share share(int64_t{g.n} * g.h, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t image = i / g.h, y = i % g.h;
    row(ctx.arena, base + i * row_bytes, image, y);
    if (!to_planes) continue;
    for (size_t p = 0; p < planes.planes.size(); ++p) {
      auto* end = reinterpret_cast<uint32_t*>(planes.at(ctx, image, y) + planes.planes[p]);
      std::fill(end + g.w, end + g.pitch, planes.pads[p]);
    }
  }
}

}  // namespace quadlane::run
