// Local response normalization against its formula in double precision.
#include "jit/kernels/response.h"

#include <cmath>

#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

void trial(const ResponseSpec& s, Rng& rng) {
  const int h = pick(rng, 1, 3), w = pick(rng, 1, 60), planes = pick(rng, 1, 9);
  const Geometry geometry = random_geometry(rng, h, w);
  Planes src(make_geometry(1, h, w, geometry.gap, pick(rng, 0, 2), 0).value(), planes, rng);
  Planes dst(geometry, planes, rng);
  fill_floats(src.bytes, rng, -9, 9);
  auto code = generate(s, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  const std::vector<uint16_t> lanes = valid_lanes(geometry);
  ChannelsArgs args{};
  args.src = src.base(), args.src_planes = src.offsets.data();
  args.dst = dst.base(), args.dst_planes = dst.offsets.data(), args.dst_pad = dst.pads.data();
  args.lanes = lanes.data();
  args.planes = planes, args.count = geometry.vectors();
  ASSERT_TRUE(run_kernel(*code, s.isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(dst.offsets),
                          readable(dst.pads), readable(lanes), writable(dst.bytes)}));
  auto at = [](const Planes& of, int plane, int64_t pixel_row, int64_t x) {
    float v;
    std::memcpy(&v, of.base() + of.offsets[static_cast<size_t>(plane)] + pixel_row + x * 4, 4);
    return v;
  };
  for (int64_t i = 0; i < int64_t{geometry.vectors()} * kVectorPixels; ++i)
    for (int p = 0; p < planes; ++p) {
      const int64_t y = i / geometry.pitch, x = i % geometry.pitch;
      const std::string where = cat(describe(s), " plane ", p, " of ", planes, " pixel ", y, ",", x);
      const float ours = at(dst, p, 0, i);
      if (y >= h || x >= w) {
        EXPECT_EQ(std::bit_cast<uint32_t>(ours), dst.pads[static_cast<size_t>(p)]) << where;
        continue;
      }
      double sum = 0;
      for (int k = std::max(0, p - s.below); k <= std::min(planes - 1, p + s.above); ++k)
        sum += std::pow(double{at(src, k, y * src.row_bytes(), x)}, 2);
      const double expected =
          double{at(src, p, y * src.row_bytes(), x)} / std::pow(double{s.bias} + double{s.scale} * sum, double{s.beta});
      EXPECT_NEAR(ours, expected, 3e-6 * std::abs(expected)) << where;
    }
}

TEST(Response, AgreesWithTheFormula) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(7);
    for (int t = 0; t < trials(isa, 24); ++t) {
      trial({isa, pick(rng, 0, 4), pick(rng, 0, 4), 0.3f, 0.7f, t % 2 ? 0.75f : 1.5f}, rng);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace quadlane::testing
