#include "engine/run/row_steps.h"

#include <algorithm>

#include "engine/base/dynamic_scale.h"

namespace quadlane::run {
namespace {

// Calls body(image, first row, rows) for this part's share of n * h rows, image by image.
template <class Body>
void for_rows(int64_t n, int64_t h, int part, int parts, Body body) {
  Share share(n * h, part, parts);
  for (int64_t i = share.begin; i < share.end;) {
    const int64_t image = i / h, y = i % h, rows = std::min(h - y, share.end - i);
    body(image, y, rows);
    i += rows;
  }
}

template <class T>
const T* weights_at(const RunContext& ctx, size_t offset) {
  return reinterpret_cast<const T*>(ctx.weights + offset);
}

// The words at `run_time`, else those that were known beforehand.
std::span<const uint32_t> padding_at(const RunContext& ctx, const std::optional<DenseAddress>& run_time,
                                     std::span<const uint32_t> known) {
  return run_time ? std::span(static_cast<const uint32_t*>(run_time->at(ctx)), known.size()) : known;
}

}  // namespace

void QuantizeStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  const std::span<const uint32_t> pads = padding_at(ctx, run_time_pads, dst.pads);
  fill_padding(ctx.arena, g, dst.planes, pads, Stored::rows, part, parts);
  for_rows(g.n, g.h, part, parts, [&](int64_t image, int64_t y, int64_t rows) {
    for (const PlaneGroup& group : groups) {
      const size_t p = static_cast<size_t>(group.first);
      QuantizeArgs args;
      args.src = src.at(ctx, image, y);
      args.src_channels = src.channels.data() + 4 * p;
      args.src_row_bytes = src.row_bytes;
      args.inv_scale = static_cast<const float*>(inv_scale.at(ctx)) + 4 * p;
      args.zero = static_cast<const int32_t*>(zero.at(ctx)) + 4 * p;
      args.dst = dst.at(ctx, image, y);
      args.dst_planes = dst.planes.data() + p;
      args.dst_row_bytes = dst.row_bytes();
      args.dst_pad = pads.data() + p;
      args.planes = group.count;
      args.rows = rows;
      ctx.call(group.kernel, &args);
    }
  });
}

void RangeStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const int64_t planes = static_cast<int64_t>(src_planes.size());
  Share share(planes * src.n, part, parts);
  for (int64_t i = share.begin; i < share.end;) {
    const int64_t image = i / planes, plane = i % planes, count = std::min(planes - plane, share.end - i);
    RangeArgs args;
    args.src = ctx.arena + image * src.image_bytes();
    args.src_planes = src_planes.data() + plane;
    args.src_row_bytes = int64_t{src.pitch} * kPixelBytes;
    args.ranges = static_cast<float*>(ranges.at(ctx)) + 2 * i;
    args.planes = count;
    args.rows = src.h;
    ctx.call(kernel, &args);
    i += count;
  }
}

void DynamicScaleStep::run(const RunContext& ctx, int part, int) const noexcept {
  if (part != 0) return;
  const auto* range = static_cast<const float*>(ranges.at(ctx));
  float lo = 0, hi = 0;
  for (int64_t i = 0; i < range_count; ++i) {
    lo = std::min(lo, range[2 * i]);
    hi = std::max(hi, range[2 * i + 1]);
  }
  const DynamicScale found = dynamic_scale(lo, hi);
  *static_cast<float*>(scale.at(ctx)) = found.scale;
  *static_cast<uint8_t*>(zero.at(ctx)) = found.zero;
  std::fill_n(static_cast<float*>(scales.at(ctx)), 4 * planes, found.scale);
  std::fill_n(static_cast<int32_t*>(zeros.at(ctx)), 4 * planes, int32_t{found.zero});
  std::fill_n(static_cast<uint32_t*>(pads.at(ctx)), pad_words, found.zero * 0x01010101u);
}

template <bool kMeans>
DequantizeArgs DequantizingStep<kMeans>::arguments(const RunContext& ctx, size_t p, int64_t image, int64_t y) const {
  DequantizeArgs args;
  args.src_row_bytes = int64_t{src.pitch} * kPixelBytes;
  args.src = ctx.arena + image * src.image_bytes() + y * args.src_row_bytes;
  args.src_planes = src_planes.data() + p;
  args.scale = weights_at<float>(ctx, scale) + 4 * p;
  args.zero = weights_at<int32_t>(ctx, zero) + 4 * p;
  args.dst = dst.at(ctx, image, y);
  args.dst_channels = dst.channels.data() + 4 * p;
  args.dst_row_bytes = dst.row_bytes;
  args.dst_pad = dst_pads.data() + 4 * p;
  return args;
}

template <bool kMeans>
void DequantizingStep<kMeans>::run(const RunContext& ctx, int part, int parts) const noexcept {
  if (!dst_planes.planes.empty())
    fill_padding(ctx.arena, dst_planes.geometry, dst_planes.planes, dst_planes.pads, Stored::rows, part, parts);
  const auto call = [&](const PlaneGroup& group, const Share& planes, int64_t image, int64_t y, int64_t rows) {
    if (planes.empty()) return;
    DequantizeArgs args = arguments(ctx, static_cast<size_t>(group.first + planes.begin), image, y);
    args.planes = planes.end - planes.begin;
    args.rows = rows;
    ctx.call(group.kernel, &args);
  };
  if constexpr (kMeans) {
    for (int64_t image = 0; image < src.n; ++image)
      for (const PlaneGroup& group : groups) call(group, Share(group.count, part, parts), image, 0, src.h);
  } else {
    for_rows(src.n, src.h, part, parts, [&](int64_t image, int64_t y, int64_t rows) {
      for (const PlaneGroup& group : groups) call(group, Share(group.count, 0, 1), image, y, rows);
    });
  }
}

template class DequantizingStep<false>;
template class DequantizingStep<true>;

void PoolStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  fill_padding(ctx.arena, g, dst.planes, dst.pads, Stored::rows, part, parts);
  for_rows(g.n, g.h, part, parts, [&](int64_t image, int64_t y, int64_t count) {
    PoolArgs args{};
    args.src = ctx.arena + image * src.image_bytes();
    args.src_planes = src_planes.data();
    args.tap_row_bytes = tap_row_bytes;
    args.rows = weights_at<PoolRow>(ctx, rows) + y;
    args.dst = dst.at(ctx, image, y);
    args.dst_planes = dst.planes.data();
    args.dst_row_bytes = dst.row_bytes();
    args.dst_pad = dst.pads.data();
    args.factors = ctx.weights + factors;
    args.v_lo = v_lo;
    args.v_hi = v_hi;
    args.out_zero = out_zero;
    args.planes = static_cast<int64_t>(dst.planes.size());
    args.row_count = count;
    ctx.call(kernel, &args);
  });
}

void GlobalPoolStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  fill_padding(ctx.arena, g, dst.planes, dst.pads, Stored::rows, part, parts);
  Share share(static_cast<int64_t>(dst.planes.size()), part, parts);
  if (share.empty()) return;
  for (int64_t image = 0; image < g.n; ++image) {
    GlobalPoolArgs args{};
    args.src = ctx.arena + image * src.image_bytes();
    args.src_planes = src_planes.data() + share.begin;
    args.src_row_bytes = int64_t{src.pitch} * kPixelBytes;
    args.dst = dst.at(ctx, image, 0);
    args.dst_planes = dst.planes.data() + share.begin;
    args.dst_pad = dst.pads.data() + share.begin;
    args.m = m;
    args.bias = bias;
    args.v_lo = v_lo;
    args.v_hi = v_hi;
    args.out_zero = out_zero;
    args.planes = share.end - share.begin;
    args.rows = src.h;
    ctx.call(kernel, &args);
  }
}

void ResampleStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  fill_padding(ctx.arena, g, dst.planes, dst.pads, Stored::rows, part, parts);
  for_rows(g.n, g.h, part, parts, [&](int64_t image, int64_t y, int64_t count) {
    ResampleArgs args{};
    args.src = ctx.arena + image * src.image_bytes();
    args.src_planes = src_planes.data();
    args.rows = weights_at<ResampleRow>(ctx, rows) + y;
    args.columns = ctx.weights + columns;
    args.dst = dst.at(ctx, image, y);
    args.dst_planes = dst.planes.data();
    args.dst_row_bytes = dst.row_bytes();
    args.dst_pad = dst.pads.data();
    args.planes = static_cast<int64_t>(dst.planes.size());
    args.row_count = count;
    ctx.call(kernel, &args);
  });
}

void PhaseSplitStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  fill_padding(ctx.arena, g, dst.planes, padding_at(ctx, run_time_pads, dst.pads), Stored::rows, part, parts);
  for_rows(g.n, g.h, part, parts, [&](int64_t image, int64_t y, int64_t rows) {
    for (const RowPhase& phase : phases) {
      PhaseSplitArgs args{};
      args.src = ctx.arena + image * src.image_bytes();
      args.src_planes = src_planes.data();
      args.src_rows = weights_at<int64_t>(ctx, phase.src_rows) + y;
      args.dst = dst.at(ctx, image, y);
      args.dst_planes = phase.planes.data();
      args.dst_row_bytes = dst.row_bytes();
      args.dst_pad = padding_at(ctx, run_time_pads, pads).data();
      args.planes = static_cast<int64_t>(src_planes.size());
      args.rows = rows;
      ctx.call(phase.kernel, &args);
    }
  });
}

void PhaseInterleaveStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  fill_padding(ctx.arena, g, dst.planes, dst.pads, Stored::rows, part, parts);
  const int64_t row_phases = static_cast<int64_t>(src_planes.size());
  // Rows of the phases; row phase r makes the result rows y * row_phases + r, as far as there are some.
  for_rows(g.n, src.h, part, parts, [&](int64_t image, int64_t y, int64_t count) {
    for (int64_t r = 0; r < row_phases; ++r) {
      const int64_t rows = std::min(count, (g.h - r + row_phases - 1) / row_phases - y);
      if (rows <= 0) continue;
      PhaseInterleaveArgs args{};
      args.src_row_bytes = int64_t{src.pitch} * kPixelBytes;
      args.src = ctx.arena + image * src.image_bytes() + y * args.src_row_bytes;
      args.src_planes = src_planes[static_cast<size_t>(r)].data();
      args.dst = dst.at(ctx, image, y * row_phases + r);
      args.dst_planes = dst.planes.data();
      args.dst_row_bytes = dst.row_bytes() * row_phases;
      args.dst_pad = dst.pads.data();
      args.planes = static_cast<int64_t>(dst.planes.size());
      args.rows = rows;
      ctx.call(kernel, &args);
    }
  });
}

}  // namespace quadlane::run
