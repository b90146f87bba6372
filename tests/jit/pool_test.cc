// Pooling kernels against QL_OPS.md's formulas, window by window. Padding columns and rows hold junk in these tests:
// a kernel that lets padding into a result fails.
#include "jit/kernels/pool.h"

#include <cmath>

#include "ops/rounding.h"
#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

struct Window {
  PoolSpec spec;
  bool count_include_pad = false;
  int pad_bottom = 0, pad_right = 0;
  float mult = 1;
  int in_zero = 0;
  U8Range range;
};

int extent(int in, int kernel, int stride, int dilation, int pads) {
  return (in + pads - (dilation * (kernel - 1) + 1)) / stride + 1;
}

// Every tap of the window of result pixel (y, x) that is inside the image; and how many are in the padded image.
template <class Tap>
int for_taps(const Window& win, int y, int x, const Tap& tap) {
  const PoolSpec& s = win.spec;
  int padded = 0;
  for (int i = 0; i < s.kh; ++i)
    for (int j = 0; j < s.kw; ++j) {
      int row = y * s.stride_h - s.pad_top + i * s.dilation_h, column = x * s.stride_w - s.pad_left + j * s.dilation_w;
      padded += row < s.src_h + win.pad_bottom && column < s.src_w + win.pad_right;
      if (row >= 0 && row < s.src_h && column >= 0 && column < s.src_w) tap(row, column);
    }
  return padded;
}

float float_at(const std::byte* at) {
  float v;
  std::memcpy(&v, at, sizeof v);
  return v;
}

uint32_t reference_f32(const Window& win, const Planes& src, size_t plane, int y, int x) {
  float largest = -INFINITY, sum = 0;
  int inside = 0;
  int padded = for_taps(win, y, x, [&](int row, int column) {
    float v = float_at(src.base() + src.offsets[plane] + row * src.row_bytes() + column * 4);
    largest = std::max(largest, v);
    sum += v;
    ++inside;
  });
  float result = largest;
  if (win.spec.op == PoolOp::average) result = sum / static_cast<float>(win.count_include_pad ? padded : inside);
  uint32_t bits;
  std::memcpy(&bits, &result, sizeof bits);
  return bits;
}

uint32_t reference_u8(const Window& win, const Planes& src, size_t plane, int y, int x) {
  uint32_t bits = 0;
  for (int j = 0; j < 4; ++j) {
    int largest = 0, sum = 0, inside = 0;
    int padded = for_taps(win, y, x, [&](int row, int column) {
      int v = static_cast<int>(src.base()[src.offsets[plane] + row * src.row_bytes() + column * 4 + j]);
      largest = std::max(largest, v);
      sum += v - win.in_zero;
      ++inside;
    });
    uint8_t result = static_cast<uint8_t>(largest);
    if (win.spec.op == PoolOp::average) {
      float m = win.mult / static_cast<float>(win.count_include_pad ? padded : inside);
      result = rq(static_cast<float>(sum) * m, win.range);
    }
    bits |= uint32_t{result} << 8 * j;
  }
  return bits;
}

// A window of which no result pixel sees padding only.
Window random_window(Isa isa, PoolOp op, bool f32, Rng& rng) {
  Window win;
  PoolSpec& s = win.spec;
  s.isa = isa, s.op = op, s.f32 = f32;
  bool common = rng() % 2;  // 2x2 and 3x3 at stride 1 and 2
  do {
    s.kh = common ? pick(rng, 2, 3) : pick(rng, 1, 6);
    s.kw = common ? s.kh : pick(rng, 1, 6);
    s.stride_h = common ? pick(rng, 1, 2) : pick(rng, 1, 4);
    s.stride_w = common ? s.stride_h : pick(rng, 1, 4);
    s.dilation_h = common ? 1 : pick(rng, 1, 3);
    s.dilation_w = common ? 1 : pick(rng, 1, 3);
    s.src_h = pick(rng, 1, 9);
    s.src_w = rng() % 6 ? pick(rng, 1, 90) : 1;
    s.pad_top = pick(rng, 0, (s.kh - 1) * s.dilation_h / 2), win.pad_bottom = pick(rng, 0, s.pad_top);
    s.pad_left = pick(rng, 0, (s.kw - 1) * s.dilation_w / 2), win.pad_right = pick(rng, 0, s.pad_left);
    s.dst_h = extent(s.src_h, s.kh, s.stride_h, s.dilation_h, s.pad_top + win.pad_bottom);
    s.dst.w = extent(s.src_w, s.kw, s.stride_w, s.dilation_w, s.pad_left + win.pad_right);
    if (s.dst_h < 1 || s.dst.w < 1) continue;
    // What the table counts as padded is what the result extent implies.
    win.pad_bottom = std::max(0, (s.dst_h - 1) * s.stride_h + s.dilation_h * (s.kh - 1) + 1 - s.src_h - s.pad_top);
    win.pad_right = std::max(0, (s.dst.w - 1) * s.stride_w + s.dilation_w * (s.kw - 1) + 1 - s.src_w - s.pad_left);
    bool all_see_pixels = true;
    for (int y = 0; y < s.dst_h; ++y)
      for (int x = 0; x < s.dst.w; ++x) {
        int inside = 0;
        for_taps(win, y, x, [&](int, int) { ++inside; });
        all_see_pixels &= inside > 0;
      }
    if (all_see_pixels) break;
  } while (true);
  win.count_include_pad = rng() % 2;
  win.in_zero = rng() % 2 ? pick(rng, 0, 255) : 0;
  win.mult = std::ldexp(static_cast<float>(pick(rng, 20, 600)), -8);
  win.range.zero = pick(rng, 0, 255);
  if (rng() % 2) win.range.lo = pick(rng, 0, 100), win.range.hi = pick(rng, 100, 255);
  return win;
}

void pool_trial(Isa isa, PoolOp op, bool f32, Rng& rng) {
  Window win = random_window(isa, op, f32, rng);
  PoolSpec& spec = win.spec;
  int planes = pick(rng, 1, 2);
  Planes src(random_geometry(rng, spec.src_h, spec.src_w), planes, rng);
  if (f32) fill_floats(src.bytes, rng, -5, 5);
  Planes dst(random_geometry(rng, spec.dst_h, spec.dst.w), planes, rng);
  spec.dst.gap = dst.geometry.gap;
  if (op == PoolOp::average && !f32 && rng() % 2) {
    const float zero = static_cast<float>(win.range.zero);
    spec.rounding = rounding_facts(255 * win.mult, static_cast<float>(win.range.lo) - zero,
                                   static_cast<float>(win.range.hi) - zero, win.range.zero);
    spec.no_in_zero = win.in_zero == 0;
  }
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();

  auto rows = pool_rows(spec, src.geometry.pitch);
  auto factors = pool_factors(spec, win.count_include_pad, win.mult, win.in_zero, rows);
  int first = pick(rng, 0, spec.dst_h - 1), count = pick(rng, 1, spec.dst_h - first);  // a thread's share
  PoolArgs args{src.base(),
                src.offsets.data(),
                spec.dilation_h * src.row_bytes(),
                rows.data() + first,
                dst.base() + first * dst.row_bytes(),
                dst.offsets.data(),
                dst.row_bytes(),
                dst.pads.data(),
                factors.data(),
                static_cast<float>(win.range.lo - win.range.zero),
                static_cast<float>(win.range.hi - win.range.zero),
                win.range.zero,
                0,
                planes,
                count};
  GuardedBytes expected(dst.bytes);
  for (size_t i = 0; i < static_cast<size_t>(planes); ++i)
    for (int y = first; y < first + count; ++y)
      for (int x = 0; x < dst.geometry.pitch; ++x) {
        uint32_t bits = x >= spec.dst.w ? dst.pads[i]
                        : f32           ? reference_f32(win, src, i, y, x)
                                        : reference_u8(win, src, i, y, x);
        std::memcpy(expected.data() + dst.offsets[i] + y * dst.row_bytes() + x * 4, &bits, 4);
      }
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(rows), readable(factors),
                          readable(dst.offsets), readable(dst.pads), writable(dst.bytes)}));
  // A sum of floats is not promised in any order.
  if (f32 && op == PoolOp::average)
    for (size_t at = 0; at + 4 <= expected.size(); at += 4) {
      const float ours = float_at(dst.bytes.data() + at), theirs = float_at(expected.data() + at);
      if (std::fabs(ours - theirs) < 4e-6f) std::memcpy(expected.data() + at, &ours, 4);
    }
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(spec);
}

void pool_trials(PoolOp op, bool f32, uint32_t seed) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(seed);
    for (int t = 0; t < trials(isa, 250); ++t) {
      pool_trial(isa, op, f32, rng);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(MaxPool, U8EqualsTheFormula) { pool_trials(PoolOp::max, false, 10); }
TEST(MaxPool, F32EqualsTheFormula) { pool_trials(PoolOp::max, true, 11); }
TEST(AveragePool, U8EqualsTheFormula) { pool_trials(PoolOp::average, false, 12); }
TEST(AveragePool, F32EqualsTheFormula) { pool_trials(PoolOp::average, true, 13); }

// More taps than sums of 16 bits hold.
TEST(AveragePool, U8LargeWindow) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(15);
    for (int size : {16, 17}) {
      PoolSpec s;
      s.isa = isa, s.op = PoolOp::average, s.kh = s.kw = size, s.src_h = size, s.src_w = size + 20, s.dst_h = 1;
      s.dst = {21, 0};
      Planes src(random_geometry(rng, s.src_h, s.src_w), 1, rng), dst(make_geometry(1, 1, 21, 0, 0, 0).value(), 1, rng);
      std::memset(src.bytes.data(), 255, src.bytes.size());
      auto code = generate(s, poisoned());
      ASSERT_TRUE(code.ok()) << code.error().text();
      auto rows = pool_rows(s, src.geometry.pitch);
      auto factors = pool_factors(s, false, 0.5f, 100, rows);
      PoolArgs args{src.base(),
                    src.offsets.data(),
                    src.row_bytes(),
                    rows.data(),
                    dst.base(),
                    dst.offsets.data(),
                    dst.row_bytes(),
                    dst.pads.data(),
                    factors.data(),
                    0,
                    255,
                    0,
                    0,
                    1,
                    1};
      ASSERT_TRUE(run_kernel(*code, isa, &args,
                             {block(args), readable(src.bytes), readable(src.offsets), readable(rows),
                              readable(factors), readable(dst.offsets), readable(dst.pads), writable(dst.bytes)}));
      for (int x = 0; x < 21 * 4; ++x)
        ASSERT_EQ(static_cast<int>(dst.base()[dst.offsets[0] + x]), 78) << describe(s);  // (255 - 100) / 2 to even
    }
  }
}

void global_trial(Isa isa, bool f32, Rng& rng) {
  int h = pick(rng, 1, 9), w = pick(rng, 1, 40), planes = pick(rng, 1, 3), in_zero = pick(rng, 0, 255);
  Planes src(random_geometry(rng, h, w), planes, rng), dst(random_geometry(rng, 1, 1), planes, rng);
  if (f32) fill_floats(src.bytes, rng, 0, 5);
  if (!f32 && rng() % 4 == 0) std::memset(src.bytes.data(), 255, src.bytes.size());
  GlobalPoolSpec spec{isa, f32, w, dst.geometry.gap};
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  U8Range range{pick(rng, 0, 255), 0, pick(rng, 128, 255)};
  float mult = std::ldexp(static_cast<float>(pick(rng, 20, 600)), -8), count = static_cast<float>(h * w);
  GlobalPoolArgs args{src.base(),
                      src.offsets.data(),
                      src.row_bytes(),
                      dst.base(),
                      dst.offsets.data(),
                      dst.pads.data(),
                      f32 ? count : mult / count,
                      -h * w * in_zero,
                      static_cast<float>(range.lo - range.zero),
                      static_cast<float>(range.hi - range.zero),
                      range.zero,
                      0,
                      planes,
                      h};
  GuardedBytes expected(dst.bytes);
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(dst.offsets),
                          readable(dst.pads), writable(dst.bytes)}));
  for (size_t i = 0; i < static_cast<size_t>(planes); ++i) {
    double sum = 0;
    int sums[4] = {};
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x) {
        const std::byte* at = src.base() + src.offsets[i] + y * src.row_bytes() + x * 4;
        sum += f32 ? float_at(at) : 0;
        for (int j = 0; j < 4; ++j) sums[j] += static_cast<int>(at[j]) - in_zero;
      }
    std::byte* to = expected.data() + dst.offsets[i];
    for (int j = 0; j < 4; ++j) to[j] = std::byte{rq(static_cast<float>(sums[j]) * (mult / count), range)};
    for (int x = 1; x <= dst.geometry.gap; ++x) std::memcpy(to + 4 * x, &dst.pads[i], 4);
    if (!f32) continue;
    ASSERT_NEAR(float_at(dst.base() + dst.offsets[i]), sum / (h * w), 1e-5) << describe(spec);  // any order of the sum
    std::memcpy(to, dst.base() + dst.offsets[i], 4);
  }
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(spec);
}

TEST(GlobalAveragePool, EqualsTheFormula) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(14);
    for (int t = 0; t < trials(isa, 80); ++t) {
      global_trial(isa, t % 2 == 0, rng);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace quadlane::testing
