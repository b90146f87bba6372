#include "engine/run/normalize_step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace quadlane::run {

double NormalizeStep::total(const RunContext& ctx, KernelFn kernel, int64_t image, const int64_t* planes,
                            float center) const noexcept {
  alignas(64) double sums[kMostSumLanes];
  PlaneSumsArgs args{};
  args.src = ctx.arena + image * src.image_bytes();
  args.src_planes = planes;
  args.src_row_bytes = int64_t{src.pitch} * kPixelBytes;
  args.lanes = sums;
  args.center = center;
  args.planes = group_planes;
  args.rows = src.h;
  ctx.call(kernel, &args);
  double sum = 0;
  for (int i = 0; i < sum_lanes; ++i) sum += sums[i];
  return sum;
}

void NormalizeStep::apply_plane(const RunContext& ctx, int64_t image, size_t plane,
                                AffineChannel channel) const noexcept {
  ElementwiseArgs args{};
  args.a = ctx.arena + image * src.image_bytes();
  args.a_planes = &src_planes[plane];
  args.dst = dst.at(ctx, image, 0);
  args.dst_planes = &dst.planes[plane];
  args.dst_pad = &dst.pads[plane];
  args.params = &channel;
  args.scalars = &scalars;
  args.lanes = reinterpret_cast<const uint16_t*>(ctx.weights + lanes);
  args.planes = 1;
  args.count = dst.geometry.vectors();
  ctx.call(apply, &args);
}

void NormalizeStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  fill_padding(ctx.arena, dst.geometry, dst.planes, dst.pads, Stored::vectors, part, parts);
  const int64_t groups = static_cast<int64_t>(src_planes.size()) / group_planes;
  const double count = static_cast<double>(group_planes) * src.h * src.w;
  Share share(groups * src.n, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t image = i / groups, first = i % groups * group_planes;
    const int64_t* planes = src_planes.data() + first;
    const double mean = total(ctx, sum, image, planes, 0) / count;
    // About a center near the mean; what lies between them is subtracted.
    const float center = static_cast<float>(mean);
    const double off = mean - center, variance = total(ctx, squares, image, planes, center) / count - off * off;
    const double root = std::sqrt(std::max(variance, 0.0) + (epsilon_outside ? 0 : epsilon));
    for (int64_t p = first; p < first + group_planes; ++p) {
      const AffineChannel& a = affine[static_cast<size_t>(p)];
      const double mult = a.mult / (epsilon_outside ? root + epsilon : root);
      apply_plane(ctx, image, static_cast<size_t>(p),
                  {static_cast<float>(mult), static_cast<float>(a.bias - mean * mult)});
    }
  }
}

void GlobalMaxStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const Geometry& g = dst.geometry;
  fill_padding(ctx.arena, g, dst.planes, dst.pads, Stored::rows, part, parts);
  const int64_t planes = static_cast<int64_t>(src_planes.size());
  Share share(planes * g.n, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const size_t plane = static_cast<size_t>(i % planes);
    alignas(64) float most[kMostSumLanes];
    PlaneSumsArgs args{};
    args.src = ctx.arena + i / planes * src.image_bytes();
    args.src_planes = &src_planes[plane];
    args.src_row_bytes = int64_t{src.pitch} * kPixelBytes;
    args.lanes = most;
    args.planes = 1;
    args.rows = src.h;
    ctx.call(maximum, &args);
    auto* to = reinterpret_cast<uint32_t*>(dst.at(ctx, i / planes, 0) + dst.planes[plane]);
    const float result = *std::max_element(most, most + lanes);
    std::fill(to, to + g.pitch, dst.pads[plane]);
    std::memcpy(to, &result, sizeof result);
  }
}

}  // namespace quadlane::run
