#include "engine/run/elementwise_step.h"

#include <algorithm>

namespace quadlane::run {

void ElementwiseStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  fill_padding(ctx.arena, g, dst.planes, dst.pads, flat ? Stored::vectors : Stored::rows, part, parts);
  const int64_t units = flat ? g.vectors() : g.h;  // in an image
  auto place = [&](const Geometry& of, int64_t image, int64_t unit) {
    const int64_t pixels = flat ? unit * kVectorPixels : unit * of.pitch;
    return image * of.image_bytes() + pixels * kPixelBytes;
  };
  Share share(units * g.n, part, parts);
  for (int64_t i = share.begin; i < share.end;) {
    const int64_t image = i / units, unit = i % units, count = std::min(units - unit, share.end - i);
    ElementwiseArgs args{};
    args.a = ctx.arena + place(a.geometry, image, unit);
    args.a_planes = a.planes.data();
    args.a_row_bytes = int64_t{a.geometry.pitch} * kPixelBytes;
    if (!b.planes.empty()) {
      const int64_t from = b.one_image ? 0 : image;
      args.b = ctx.arena + (b.one_pixel ? from * b.geometry.image_bytes() : place(b.geometry, from, unit));
      args.b_planes = b.planes.data();
      args.b_row_bytes = int64_t{b.geometry.pitch} * kPixelBytes;
    }
    args.dst = ctx.arena + place(g, image, unit);
    args.dst_planes = dst.planes.data();
    args.dst_row_bytes = dst.row_bytes();
    args.dst_pad = dst.pads.data();
    args.params = ctx.weights + params;
    args.scalars = &scalars;
    args.lanes = reinterpret_cast<const uint16_t*>(ctx.weights + lanes) + (flat ? unit : 0);
    args.planes = static_cast<int64_t>(dst.planes.size());
    args.count = count;
    ctx.call(kernel, &args);
    i += count;
  }
}

}  // namespace quadlane::run
