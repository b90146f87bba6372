#include "engine/run/dense_steps.h"

#include <algorithm>
#include <cstring>

namespace quadlane::run {

void CopyStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  Share share(static_cast<int64_t>(bytes_), part, parts);
  if (share.begin >= share.end) return;  // an empty tensor may have no address
  // Here and below: a plan file may let both overlap, and then gets what it asked for.
  std::memmove(static_cast<std::byte*>(to_.at(ctx)) + share.begin,
               static_cast<const std::byte*>(from_.at(ctx)) + share.begin,
               static_cast<size_t>(share.end - share.begin));
}

namespace {

// One row of up to four dense channel rows into a row of quads.
void interleave(const uint8_t* const* rows, uint8_t* quads, int w) {
  for (int lane = 0; lane < 4; ++lane)
    for (int x = 0; x < w; ++x) quads[4 * x + lane] = rows[lane] ? rows[lane][x] : 0;
}

}  // namespace

void PackStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  fill_padding(ctx.arena, geometry_, offsets_, pads_, Stored::rows, part, parts);
  const Geometry& g = geometry_;
  const auto* from = static_cast<const std::byte*>(from_.at(ctx));
  const size_t channel_elements = static_cast<size_t>(g.h) * static_cast<size_t>(g.w);
  const int64_t planes = static_cast<int64_t>(planes_.size());
  Share share(planes * g.n * g.h, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t y = i % g.h, n = i / g.h % g.n;
    const PlaneLanes& p = planes_[static_cast<size_t>(i / g.h / g.n)];
    auto* row = reinterpret_cast<uint32_t*>(ctx.arena + p.plane + n * g.image_bytes()) + y * g.pitch;
    auto channel_row = [&](int lane) {
      return static_cast<size_t>(n * channels_ + p.channels[lane]) * channel_elements + static_cast<size_t>(y * g.w);
    };
    if (dtype_ == DType::f32) {
      std::memmove(row, from + 4 * channel_row(0), static_cast<size_t>(g.w) * 4);
    } else {
      const uint8_t* rows[4];
      for (int lane = 0; lane < 4; ++lane)
        rows[lane] = p.channels[lane] < 0 ? nullptr : reinterpret_cast<const uint8_t*>(from) + channel_row(lane);
      interleave(rows, reinterpret_cast<uint8_t*>(row), g.w);
    }
    std::fill(row + g.w, row + g.pitch, p.pad);
  }
}

void UnpackStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = geometry_;
  auto* to = static_cast<std::byte*>(to_.at(ctx));
  const size_t channel_elements = static_cast<size_t>(g.h) * static_cast<size_t>(g.w);
  Share share(static_cast<int64_t>(planes_.size()) * g.n * g.h, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t y = i % g.h, n = i / g.h % g.n;
    const PlaneLanes& p = planes_[static_cast<size_t>(i / g.h / g.n)];
    const std::byte* row = ctx.arena + p.plane + n * g.image_bytes() + y * g.pitch * kPixelBytes;
    for (int lane = 0; lane < 4; ++lane) {
      if (p.channels[lane] < 0) continue;
      const size_t at =
          static_cast<size_t>(n * channels_ + p.channels[lane]) * channel_elements + static_cast<size_t>(y * g.w);
      if (dtype_ == DType::f32) {
        std::memmove(to + 4 * at, row, static_cast<size_t>(g.w) * 4);
      } else {
        auto* out = reinterpret_cast<uint8_t*>(to) + at;
        for (int x = 0; x < g.w; ++x) out[x] = static_cast<uint8_t>(row[4 * x + lane]);
      }
    }
  }
}

}  // namespace quadlane::run
