#include "engine/run/channels_step.h"

#include <algorithm>

namespace quadlane::run {

void ChannelsStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  fill_padding(ctx.arena, g, dst.planes, dst.pads, Stored::vectors, part, parts);
  const int64_t vectors = g.vectors();
  Share share(vectors * g.n, part, parts);
  for (int64_t i = share.begin; i < share.end;) {
    const int64_t image = i / vectors, first = i % vectors, count = std::min(vectors - first, share.end - i);
    const int64_t at = first * kVectorPixels * kPixelBytes;
    ChannelsArgs args{};
    args.src = ctx.arena + image * src.image_bytes() + at;
    args.src_planes = src_planes.data();
    args.dst = ctx.arena + image * g.image_bytes() + at;
    args.dst_planes = dst.planes.data();
    args.dst_pad = dst.pads.data();
    args.lanes = reinterpret_cast<const uint16_t*>(ctx.weights + lanes) + first;
    args.channels = reinterpret_cast<const int32_t*>(ctx.weights + channels);
    args.factor = factor;
    args.planes = static_cast<int64_t>(src_planes.size());
    args.count = count;
    ctx.call(kernel, &args);
    i += count;
  }
}

void UnpackIndicesStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  auto* to = static_cast<int64_t*>(dst.at(ctx));
  Share share(int64_t{src.n} * src.h, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const auto* row =
        reinterpret_cast<const int32_t*>(ctx.arena + src_plane + i / src.h * src.image_bytes()) + i % src.h * src.pitch;
    std::copy(row, row + src.w, to + i * src.w);
  }
}

}  // namespace quadlane::run
