// Resample kernels against QL_OPS.md's formulas.
#include "jit/kernels/resample.h"

#include <cmath>

#include "ops/rounding.h"
#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

using Kind = ResampleKind;

// Half-pixel coordinates of an axis that doubles.
std::vector<ResampleTap> doubled(int in, bool linear) {
  std::vector<ResampleTap> taps;
  for (int x = 0; x < 2 * in; ++x) {
    float source = std::max(0.0f, (static_cast<float>(x) + 0.5f) / 2 - 0.5f);
    int first = std::min(static_cast<int>(source), in - 1);
    ResampleTap tap{first, std::min(first + 1, in - 1), source - static_cast<float>(first)};
    taps.push_back(linear ? tap : ResampleTap{x / 2, x / 2, 0});
  }
  return taps;
}

std::vector<ResampleTap> random_taps(int in, int out, Rng& rng) {
  std::vector<ResampleTap> taps;
  for (int x = 0; x < out; ++x) {
    int first = pick(rng, 0, in - 1);
    float fraction =
        rng() % 4 ? static_cast<float>(pick(rng, 0, 1 << 20)) / (1 << 20) : static_cast<float>(rng() % 3) / 2;
    taps.push_back({first, std::min(first + 1, in - 1), fraction});
  }
  return taps;
}

const std::byte* pixel(const Planes& src, size_t plane, int y, int x) {
  return src.base() + src.offsets[plane] + y * src.row_bytes() + x * 4;
}

uint32_t reference_u8(const Planes& src, size_t plane, const ResampleTap& r, const ResampleTap& c) {
  uint32_t bits = 0;
  for (int j = 0; j < 4; ++j) {
    auto at = [&](int y, int x) { return static_cast<uint8_t>(pixel(src, plane, y, x)[j]); };
    uint8_t v = resize_linear_u8(at(r.first, c.first), at(r.first, c.second), at(r.second, c.first),
                                 at(r.second, c.second), resize_weight(c.fraction), resize_weight(r.fraction));
    bits |= uint32_t{v} << 8 * j;
  }
  return bits;
}

double reference_f32(const Planes& src, size_t plane, const ResampleTap& r, const ResampleTap& c) {
  auto at = [&](int y, int x) {
    float v;
    std::memcpy(&v, pixel(src, plane, y, x), sizeof v);
    return double{v};
  };
  double top = at(r.first, c.first) * (1 - c.fraction) + at(r.first, c.second) * c.fraction;
  double bottom = at(r.second, c.first) * (1 - c.fraction) + at(r.second, c.second) * c.fraction;
  return top * (1 - r.fraction) + bottom * r.fraction;
}

// Any scale that drops no columns fits; so may others.
std::vector<ResampleTap> scaled_taps(int in, int out) {
  std::vector<ResampleTap> taps;
  for (int x = 0; x < out; ++x) {
    float source = out > 1 ? static_cast<float>(x) * static_cast<float>(in - 1) / static_cast<float>(out - 1) : 0;
    int first = static_cast<int>(source);
    taps.push_back({first, std::min(first + 1, in - 1), source - static_cast<float>(first)});
  }
  return taps;
}

void trial(Isa isa, Kind kind, bool f32, Rng& rng) {
  bool doubles = kind == Kind::nearest_2x || kind == Kind::linear_2x;
  bool linear = kind == Kind::linear || kind == Kind::linear_2x;
  int h = pick(rng, 1, 4), w = rng() % 6 ? pick(rng, 1, 60) : 1, planes = pick(rng, 1, 2);
  int dst_h = doubles ? 2 * h : pick(rng, 1, 5), dst_w = doubles ? 2 * w : pick(rng, 1, 70);
  Planes src(random_geometry(rng, h, w), planes, rng), dst(random_geometry(rng, dst_h, dst_w), planes, rng);
  if (f32) fill_floats(src.bytes, rng, -5, 5);
  ResampleSpec spec{isa, kind, f32, ResampleWindows::none, w, {dst_w, dst.geometry.gap}};
  auto row_taps = doubles ? doubled(h, linear) : random_taps(h, dst_h, rng);
  auto column_taps = doubles ? doubled(w, linear) : rng() % 2 ? random_taps(w, dst_w, rng) : scaled_taps(w, dst_w);
  spec.windows = fitting_windows(spec, column_taps);
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  auto rows = resample_rows(spec, row_taps, src.geometry.pitch);
  auto columns = doubles ? std::vector<std::byte>() : resample_columns(spec, column_taps);
  int first = pick(rng, 0, dst_h - 1), count = pick(rng, 1, dst_h - first);  // a thread's share
  ResampleArgs args{
      src.base(),         src.offsets.data(), rows.data() + first, columns.data(), dst.base() + first * dst.row_bytes(),
      dst.offsets.data(), dst.row_bytes(),    dst.pads.data(),     planes,         count};
  GuardedBytes expected(dst.bytes);
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(rows), readable(columns),
                          readable(dst.offsets), readable(dst.pads), writable(dst.bytes)}));
  for (size_t i = 0; i < static_cast<size_t>(planes); ++i)
    for (int y = first; y < first + count; ++y)
      for (int x = 0; x < dst.geometry.pitch; ++x) {
        int64_t at = dst.offsets[i] + y * dst.row_bytes() + x * 4;
        uint32_t bits = dst.pads[i];
        if (x < dst_w) {
          const ResampleTap &r = row_taps[static_cast<size_t>(y)], &c = column_taps[static_cast<size_t>(x)];
          if (linear && f32) {
            float ours;
            std::memcpy(&ours, dst.base() + at, sizeof ours);
            ASSERT_NEAR(ours, reference_f32(src, i, r, c), 1e-5) << describe(spec) << " y" << y << " x" << x;
            std::memcpy(&bits, &ours, sizeof bits);
          } else if (linear) {
            bits = reference_u8(src, i, r, c);
          } else {
            std::memcpy(&bits, pixel(src, i, r.first, c.first), sizeof bits);
          }
        }
        std::memcpy(expected.data() + at, &bits, 4);
      }
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(spec);
}

void all_trials(Kind kind, bool f32, uint32_t seed) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(seed);
    for (int t = 0; t < trials(isa, 120); ++t) {
      trial(isa, kind, f32, rng);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(Resample, NearestByTable) { all_trials(Kind::nearest, false, 20); }
TEST(Resample, NearestDoubled) { all_trials(Kind::nearest_2x, false, 21); }
TEST(Resample, LinearU8ByTable) { all_trials(Kind::linear, false, 22); }
TEST(Resample, LinearU8Doubled) { all_trials(Kind::linear_2x, false, 23); }
TEST(Resample, LinearF32ByTable) { all_trials(Kind::linear, true, 24); }
TEST(Resample, LinearF32Doubled) { all_trials(Kind::linear_2x, true, 25); }

TEST(Resample, WindowsFitWhatDropsNoColumns) {
  auto windows = [](Isa isa, int in, int out) {
    return fitting_windows(ResampleSpec{isa, Kind::linear, false, ResampleWindows::none, in, {out, 0}},
                           scaled_taps(in, out));
  };
  for (Isa isa : kGeneratedIsas)
    for (int in = 1; in < 40; ++in) {
      for (int out = in; out < 90; out += 7) EXPECT_NE(windows(isa, in, out), ResampleWindows::none);
      if (in >= 16) {
        EXPECT_EQ(windows(isa, 3 * in, in), ResampleWindows::none);
      }
    }
  EXPECT_EQ(windows(Isa::avx512_vnni, 60, 30), ResampleWindows::wide);
  EXPECT_EQ(windows(Isa::avx512_vnni, 30, 60), ResampleWindows::narrow);
}

TEST(Resample, RefusesWhatCannotBe) {
  EXPECT_FALSE(generate(ResampleSpec{Isa::avx2, Kind::linear_2x, false, ResampleWindows::none, 8, {15, 0}}).ok());
  EXPECT_FALSE(generate(ResampleSpec{Isa::avx2, Kind::nearest, false, ResampleWindows::none, 0, {15, 0}}).ok());
}

}  // namespace
}  // namespace quadlane::testing
