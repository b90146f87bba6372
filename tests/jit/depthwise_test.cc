// Depthwise kernels against their formula: random taps, weights, byte orders and epilogues; equality.
#include "jit/kernels/depthwise.h"

#include <cmath>

#include "jit/kernels/depthwise_groups.h"
#include "tests/jit/kernel_harness.h"
#include "tests/support/emulator.h"

namespace quadlane::testing {
namespace {

struct Problem {
  DepthwiseSpec spec;
  Geometry geometry;
  std::vector<std::vector<int8_t>> weights;  // [section][tap * 4 + byte]
  DepthwiseChannels channels;
  ConvEpilogue epilogue;
  ByteTable table{};

  std::span<const uint8_t> packed_table() const { return spec.table ? std::span(table) : std::span<const uint8_t>(); }
};

// kh x kw taps of one plane, or the phases of a stride of 2.
DepthwiseSpec random_spec(Isa isa, Rng& rng, int pitch, int reach) {
  DepthwiseSpec s;
  s.isa = isa;
  const int sections = pick(rng, 0, 2) ? 1 : pick(rng, 2, 4);
  for (int i = 0; i < sections; ++i) {
    const int dilation = pick(rng, 0, 3) ? 1 : 2;
    const int kh = pick(rng, 1, 2 * reach / dilation + 1), kw = pick(rng, 1, 2 * reach / dilation + 1);
    std::vector<int64_t> taps;
    for (int y = 0; y < kh; ++y)
      for (int x = 0; x < kw; ++x)
        taps.push_back(((y * dilation - reach) * pitch + x * dilation - reach) * kPixelBytes);
    s.taps.push_back(std::move(taps));
  }
  if (pick(rng, 0, 2) == 0)
    for (int& lane : s.lanes) lane = pick(rng, 0, 3);
  s.clamp_lo = pick(rng, 0, 2) == 0;
  s.clamp_hi = pick(rng, 0, 3) == 0;
  s.residual = pick(rng, 0, 2) == 0;
  s.slope = !s.residual && pick(rng, 0, 2) == 0;
  s.table = has_vnni(isa) && pick(rng, 0, 2) == 0;
  s.rounding.bounded = pick(rng, 0, 1) != 0;
  return s;
}

// Weights, multipliers and the epilogue.
void fill(Problem& p, Rng& rng) {
  // Small weights, any weights, extremes: AVX2 multiplies them in different ways.
  const int kind = pick(rng, 0, 3);
  size_t taps = 0;
  for (const auto& section : p.spec.taps) {
    std::vector<int8_t> w;
    for (size_t i = 0; i < 4 * section.size(); ++i)
      w.push_back(static_cast<int8_t>(kind == 0   ? pick(rng, -60, 60)
                                      : kind == 1 ? (pick(rng, 0, 1) ? 127 : -128)
                                      : kind == 2 ? 127
                                                  : pick(rng, -128, 127)));
    p.weights.push_back(std::move(w));
    taps += section.size();
  }
  const float scale = 100 / (5000 * std::sqrt(static_cast<float>(taps)));
  for (size_t j = 0; j < 4; ++j) {
    p.channels.bias[j] = pick(rng, -100000, 100000);
    p.channels.mult[j] = scale * std::uniform_real_distribution<float>(0.3f, 2.0f)(rng);
    if (!p.spec.rounding.bounded && pick(rng, 0, 9) == 0) p.channels.mult[j] = 1e9f;
    p.channels.slope[j] = std::uniform_real_distribution<float>(-0.5f, 1.5f)(rng);
    p.channels.clamp_lo[j] = static_cast<uint8_t>(pick(rng, 0, 200));
    p.channels.clamp_hi[j] = static_cast<uint8_t>(pick(rng, p.channels.clamp_lo[j], 255));
  }
  p.epilogue.out_zero = pick(rng, 0, 2) ? pick(rng, 0, 255) : 0;
  const bool whole = pick(rng, 0, 2) == 0;
  const int lo = whole ? 0 : pick(rng, 0, p.epilogue.out_zero), hi = whole ? 255 : pick(rng, p.epilogue.out_zero, 255);
  p.epilogue.v_lo = static_cast<float>(lo - p.epilogue.out_zero);
  p.epilogue.v_hi = static_cast<float>(hi - p.epilogue.out_zero);
  if (pick(rng, 0, 1)) {
    const bool bounded = p.spec.rounding.bounded;
    p.spec.rounding = rounding_facts(0, p.epilogue.v_lo, p.epilogue.v_hi, p.epilogue.out_zero);
    p.spec.rounding.bounded = bounded;
  }
  p.epilogue.residual_mult = std::uniform_real_distribution<float>(0.1f, 1.2f)(rng);
  p.epilogue.residual_zero = pick(rng, 0, 255);
  p.table = random_table(rng);
}

Problem random_problem(Isa isa, Rng& rng) {
  Problem p;
  const int reach = pick(rng, 0, 3);
  p.geometry = make_geometry(1, pick(rng, 1, 9), pick(rng, 1, 24), reach, reach, reach).value();
  do p.spec = random_spec(isa, rng, p.geometry.pitch, reach);
  while (!check(p.spec).ok());
  fill(p, rng);
  return p;
}

// `pixel` of the source, `residual` at the result's pixel.
uint8_t expected_byte(const Problem& p, const Planes& src, int64_t pixel, const std::byte* residual, size_t j) {
  auto byte = [](const std::byte* at) { return static_cast<int>(std::to_integer<uint8_t>(*at)); };
  int32_t acc = p.channels.bias[j];
  for (size_t s = 0; s < p.spec.taps.size(); ++s)
    for (size_t t = 0; t < p.spec.taps[s].size(); ++t) {
      const auto c = static_cast<size_t>(p.spec.lanes[j]);
      int x = byte(src.base() + src.offsets[s] + pixel * kPixelBytes + p.spec.taps[s][t] + c);
      if (p.spec.clamp_lo) x = std::max<int>(x, p.channels.clamp_lo[c]);
      if (p.spec.clamp_hi) x = std::min<int>(x, p.channels.clamp_hi[c]);
      acc += x * p.weights[s][4 * t + j];
    }
  float v = static_cast<float>(acc) * p.channels.mult[j];
  if (p.spec.slope && v < 0) v *= p.channels.slope[j];
  if (p.spec.residual) {
    float other = static_cast<float>(byte(residual + j) - p.epilogue.residual_zero) * p.epilogue.residual_mult;
    v += other;
  }
  v = std::min(std::max(v, p.epilogue.v_lo), p.epilogue.v_hi);
  const auto y = static_cast<uint8_t>(p.epilogue.out_zero + static_cast<int32_t>(std::nearbyint(v)));
  return p.spec.table ? p.table[y] : y;
}

void check_problem(const Problem& p, Rng& rng) {
  Planes src(p.geometry, static_cast<int>(p.spec.taps.size()), rng), dst(p.geometry, 1, rng), r(p.geometry, 1, rng);
  const std::vector<uint16_t> lanes = valid_lanes(p.geometry);
  const auto packed = pack_depthwise(
      p.spec, p.channels,
      [&](int byte, int section, int tap) {
        return p.weights[static_cast<size_t>(section)][static_cast<size_t>(4 * tap + byte)];
      },
      p.packed_table());
  GuardedBytes expected = dst.bytes;
  for (size_t v = 0; v < lanes.size(); ++v)
    for (int64_t i = 0; i < kVectorPixels; ++i) {
      const int64_t pixel = static_cast<int64_t>(v) * kVectorPixels + i;
      std::byte* to = expected.data() + dst.offsets[0] + pixel * kPixelBytes;
      std::memcpy(to, &dst.pads[0], 4);
      if (lanes[v] >> i & 1)
        for (size_t j = 0; j < 4; ++j)
          to[j] = std::byte{expected_byte(p, src, pixel, r.base() + r.offsets[0] + pixel * kPixelBytes, j)};
    }
  ConvArgs args{};
  args.src = src.base(), args.src_planes = src.offsets.data();
  args.weights = packed.data();
  args.dst = dst.base(), args.dst_planes = dst.offsets.data(), args.dst_pad = dst.pads.data();
  args.residual = r.base(), args.residual_planes = r.offsets.data();
  args.lanes = lanes.data(), args.epilogue = &p.epilogue;
  args.tiles = static_cast<int64_t>(lanes.size());
  auto code = generate(p.spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  ASSERT_TRUE(run_kernel(
      *code, p.spec.isa, &args,
      {block(args), block(p.epilogue), readable(packed), readable(lanes), readable(src.offsets), readable(dst.offsets),
       readable(r.offsets), readable(dst.pads), readable(src.bytes), readable(r.bytes), writable(dst.bytes)},
      p.spec.table));
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(p.spec);
}

TEST(Depthwise, AgreesWithTheFormula) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(11);
    for (int i = 0; i < trials(isa, 600); ++i) {
      ASSERT_NO_FATAL_FAILURE(check_problem(random_problem(isa, rng), rng)) << to_string(isa) << " problem " << i;
    }
  }
}

// Rows at a step of 1 or 2 pixels and of 1 to 3 rows: nothing behind a row's pixels changes.
void check_rows(Isa isa, Rng& rng) {
  Problem p;
  const int stride = pick(rng, 1, 3), h = pick(rng, 1, 6), reach = pick(rng, 0, 3);
  p.spec.isa = isa;
  p.spec.step = pick(rng, 1, 2);
  p.spec.w = pick(rng, 0, 2) ? pick(rng, 1, 40) : pick(rng, 1, 8);
  p.spec.vbmi = has_avx512(isa) && p.spec.step == 2 && pick(rng, 0, 1);
  p.geometry = make_geometry(1, h * stride, p.spec.w * p.spec.step, reach, reach, reach).value();
  do {
    DepthwiseSpec random = random_spec(isa, rng, p.geometry.pitch, reach);
    p.spec.taps = {random.taps[0]};
    p.spec.lanes = random.lanes;
    p.spec.clamp_lo = random.clamp_lo, p.spec.clamp_hi = random.clamp_hi;
    p.spec.residual = random.residual, p.spec.slope = random.slope, p.spec.table = random.table,
    p.spec.rounding = random.rounding;
  } while (!check(p.spec).ok());
  fill(p, rng);
  const Geometry to = make_geometry(1, h, p.spec.w, pick(rng, 0, 2), 0, pick(rng, 0, 1)).value();
  Planes src(p.geometry, 1, rng), dst(to, 1, rng), r(to, 1, rng);
  const auto packed = pack_depthwise(
      p.spec, p.channels,
      [&](int byte, int section, int tap) {
        return p.weights[static_cast<size_t>(section)][static_cast<size_t>(4 * tap + byte)];
      },
      p.packed_table());
  GuardedBytes expected = dst.bytes;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < p.spec.w; ++x) {
      const int64_t at = dst.offsets[0] + (int64_t{y} * to.pitch + x) * kPixelBytes;
      for (size_t j = 0; j < 4; ++j)
        expected.data()[at + static_cast<int64_t>(j)] =
            std::byte{expected_byte(p, src, int64_t{y} * stride * p.geometry.pitch + x * p.spec.step,
                                    r.base() + at - dst.offsets[0] + r.offsets[0], j)};
    }
  OconvArgs args{};
  args.src = src.base(), args.src_planes = src.offsets.data();
  args.weights = packed.data();
  args.dst = dst.base(), args.dst_planes = dst.offsets.data();
  args.residual = r.base(), args.residual_planes = r.offsets.data();
  args.epilogue = &p.epilogue;
  args.tiles = h, args.src_step = src.row_bytes() * stride, args.dst_step = dst.row_bytes();
  auto code = generate(p.spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  ASSERT_TRUE(
      run_kernel(*code, isa, &args,
                 {block(args), block(p.epilogue), readable(packed), readable(src.offsets), readable(dst.offsets),
                  readable(r.offsets), readable(src.bytes), readable(r.bytes), writable(dst.bytes)},
                 p.spec.vbmi || p.spec.table));
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(p.spec);
}

TEST(Depthwise, RowsAgreeWithTheFormula) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(12);
    for (int i = 0; i < trials(isa, 400); ++i)
      ASSERT_NO_FATAL_FAILURE(check_rows(isa, rng)) << to_string(isa) << " problem " << i;
  }
}

TEST(Depthwise, GroupsTakeEveryTapOnce) {
  const std::vector<std::vector<int64_t>> taps = {{-44, -40, -36, -4, 0, 4, 36, 40, 44}, {0, 4, 8, 12, 16}, {0, 80}};
  const auto groups = depthwise_groups(taps);
  ASSERT_EQ(groups.size(), 5u);  // three rows of three, a row of four, one of 4 0 80
  EXPECT_TRUE(groups[0].row);
  EXPECT_EQ(groups[3].distinct, 4);
  EXPECT_FALSE(groups[4].row);
  EXPECT_EQ(groups[4].distinct, 3);
}

// A tap between two others gives each as much as it can take: nearly no group of three needs 16-bit products.
TEST(Depthwise, SharesAWeightBetweenHalves) {
  DepthwiseSpec s;
  s.isa = Isa::avx2;
  s.taps = {{-4, 0, 4}};
  auto is_wide = [&](int a, int b, int c) {
    const auto packed = pack_depthwise(s, {}, [&](int, int, int tap) {
      return static_cast<int8_t>(tap == 0 ? a : tap == 1 ? b : c);
    });
    return packed[DepthwiseBlock::flags] != std::byte{0};
  };
  EXPECT_FALSE(is_wide(64, 127, 64));
  EXPECT_FALSE(is_wide(-64, -128, -64));
  EXPECT_FALSE(is_wide(127, 127, -128));
  EXPECT_FALSE(is_wide(1, -128, 127));
  EXPECT_TRUE(is_wide(127, 127, 127));
}

// 3x3 at stride 1: three dots for 4 channels of 16 (8) pixels, the rest is loads, shuffles and the epilogue.
TEST(Depthwise, InstructionsForAnOutput) {
  for (auto [isa, most] : {std::pair{Isa::avx512_vnni, 1.1}, {Isa::avx2, 3.4}}) {
    Rng rng(3);
    const Geometry g = make_geometry(1, 32, 31, 1, 1, 1).value();
    DepthwiseSpec s;
    s.isa = isa;
    s.rounding.bounded = true;
    s.taps = {{}};
    for (int y = -1; y <= 1; ++y)
      for (int x = -1; x <= 1; ++x) s.taps[0].push_back((y * g.pitch + x) * kPixelBytes);
    Planes src(g, 1, rng), dst(g, 1, rng);
    const auto packed = pack_depthwise(s, {}, [](int, int, int) { return int8_t{40}; });
    const auto lanes = valid_lanes(g);
    const ConvEpilogue epilogue{.v_lo = 0, .v_hi = 255};
    ConvArgs args{};
    args.src = src.base(), args.src_planes = src.offsets.data(), args.weights = packed.data();
    args.dst = dst.base(), args.dst_planes = dst.offsets.data(), args.dst_pad = dst.pads.data();
    args.lanes = lanes.data(), args.epilogue = &epilogue, args.tiles = static_cast<int64_t>(lanes.size());
    auto code = generate(s);
    ASSERT_TRUE(code.ok()) << code.error().text();
    Emulator emulator(*code, isa);
    for (const Region& r : {block(args), block(epilogue), readable(packed), readable(lanes), readable(src.offsets),
                            readable(dst.offsets), readable(dst.pads), readable(src.bytes), writable(dst.bytes)})
      emulator.allow(r.data, r.bytes, r.writable ? Access::read_write : Access::read, "argument");
    Status status = emulator.run(&args);
    ASSERT_TRUE(status.ok()) << status.error().text();
    const double outputs = static_cast<double>(lanes.size()) * kVectorPixels * 4;
    const double each = static_cast<double>(emulator.counts().total) / outputs;
    std::printf("%s: %.2f instructions an output\n", to_string(isa), each);
    EXPECT_LT(each, most);
  }
}

TEST(Depthwise, RefusesWhatItCannotGenerate) {
  DepthwiseSpec s;
  s.taps.assign(5, {0});
  EXPECT_EQ(check(s).error().message, "5 sections of planes, a depthwise kernel takes 1 to 4");
  s.taps.assign(1, std::vector<int64_t>(300, 0));
  EXPECT_EQ(check(s).error().message, "75 groups of taps, a depthwise kernel takes 64");
}

}  // namespace
}  // namespace quadlane::testing
