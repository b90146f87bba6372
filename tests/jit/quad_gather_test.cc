// Gathered quads, byte by byte, from shifted planes.
#include "jit/kernels/quad_gather.h"

#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

void check_gather(Isa isa, Rng& rng) {
  const int reach = pick(rng, 0, 3);
  const Geometry g = make_geometry(1, pick(rng, 1, 9), pick(rng, 1, 40), reach, 1, 1).value();
  Planes src(g, 4, rng), dst(g, 1, rng);
  std::vector<int64_t> shifted;
  std::array<int, 4> b;
  for (size_t j = 0; j < 4; ++j) {
    shifted.push_back(src.offsets[static_cast<size_t>(pick(rng, 0, 3))] + pick(rng, -reach, reach) * kPixelBytes);
    b[j] = pick(rng, -1, 3);
  }
  const std::vector<std::byte> bytes = gather_bytes(b);
  const std::vector<uint16_t> lanes = valid_lanes(g);
  GuardedBytes expected = dst.bytes;
  for (size_t v = 0; v < lanes.size(); ++v)
    for (int64_t i = 0; i < kVectorPixels; ++i) {
      const int64_t at = (static_cast<int64_t>(v) * kVectorPixels + i) * kPixelBytes;
      std::byte* to = expected.data() + dst.offsets[0] + at;
      std::memcpy(to, &dst.pads[0], 4);
      for (size_t j = 0; j < 4 && (lanes[v] >> i & 1); ++j)
        to[j] = b[j] < 0 ? std::byte{0} : src.base()[shifted[j] + at + b[j]];
    }
  ConvArgs args{};
  args.src = src.base(), args.src_planes = shifted.data(), args.weights = bytes.data();
  args.dst = dst.base(), args.dst_planes = dst.offsets.data(), args.dst_pad = dst.pads.data();
  args.lanes = lanes.data();
  args.tiles = static_cast<int64_t>(lanes.size());
  auto code = generate(QuadGatherSpec{isa}, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(bytes), readable(lanes), readable(shifted), readable(dst.offsets),
                          readable(dst.pads), readable(src.bytes), writable(dst.bytes)}));
  ASSERT_TRUE(same_bytes(dst, expected));
}

TEST(QuadGather, TakesEachByteFromItsSource) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(5);
    for (int i = 0; i < trials(isa, 80); ++i)
      ASSERT_NO_FATAL_FAILURE(check_gather(isa, rng)) << to_string(isa) << " " << i;
  }
}

}  // namespace
}  // namespace quadlane::testing
