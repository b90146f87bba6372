// Phase split and interleave against their index formulas.
#include "jit/kernels/phases.h"

#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

uint32_t pixel_at(const std::byte* at) {
  uint32_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

void split_trial(Isa isa, Rng& rng) {
  int stride = rng() % 2 ? 2 : pick(rng, 1, 5), h = pick(rng, 1, 5), w = rng() % 5 ? pick(rng, 1, 90) : 1;
  int planes = pick(rng, 1, 2);
  uint32_t wanted = static_cast<uint32_t>(pick(rng, 1, (1 << stride) - 1));
  int phases = __builtin_popcount(wanted);
  Planes src(random_geometry(rng, h, w), planes, rng);
  int rows = pick(rng, 1, 4), dst_w = std::max(1, (w + stride - 1) / stride + pick(rng, -1, 2));
  Planes dst(random_geometry(rng, rows, dst_w), planes * phases, rng);
  PhaseSplitSpec spec{isa, stride, wanted, w, {dst_w, dst.geometry.gap}};
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();

  std::vector<int64_t> table;
  for (int y = 0; y < rows; ++y) table.push_back(rng() % 4 ? pick(rng, 0, h - 1) * src.row_bytes() : kNoRow);
  PhaseSplitArgs args{src.base(),      src.offsets.data(), table.data(), dst.base(), dst.offsets.data(),
                      dst.row_bytes(), dst.pads.data(),    planes,       rows};
  GuardedBytes expected(dst.bytes);
  size_t to = 0;
  for (size_t i = 0; i < static_cast<size_t>(planes); ++i)
    for (int k = 0; k < stride; ++k) {
      if (!(wanted >> k & 1)) continue;
      for (size_t y = 0; y < table.size(); ++y)
        for (int x = 0; x < dst.geometry.pitch; ++x) {
          int column = stride * x + k;
          bool there = x < dst_w && column < w && table[y] != kNoRow;
          uint32_t bits = there ? pixel_at(src.base() + src.offsets[i] + table[y] + column * 4) : dst.pads[i];
          std::memcpy(expected.data() + dst.offsets[to] + static_cast<int64_t>(y) * dst.row_bytes() + x * 4, &bits, 4);
        }
      ++to;
    }
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(table), readable(src.bytes), readable(src.offsets),
                          readable(dst.offsets), readable(dst.pads), writable(dst.bytes)}));
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(spec);
}

TEST(PhaseSplit, MovesEveryPixel) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(6);
    for (int t = 0; t < trials(isa, 200); ++t) {
      split_trial(isa, rng);
      if (HasFatalFailure()) return;
    }
  }
}

void interleave_trial(Isa isa, Rng& rng) {
  int stride = rng() % 2 ? 2 : pick(rng, 1, 5), h = pick(rng, 1, 4), w = rng() % 5 ? pick(rng, 1, 40) : 1;
  int planes = pick(rng, 1, 2), dst_w = std::max(1, stride * w - pick(rng, 0, stride - 1));
  Planes src(random_geometry(rng, h, w), planes * stride, rng);
  Planes dst(random_geometry(rng, stride * h, dst_w), planes, rng);
  PhaseInterleaveSpec spec{isa, stride, {dst_w, dst.geometry.gap}};
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();

  int row_phase = pick(rng, 0, stride - 1);  // a call makes the rows of one row phase
  PhaseInterleaveArgs args{src.base(),
                           src.offsets.data(),
                           src.row_bytes(),
                           dst.base() + row_phase * dst.row_bytes(),
                           dst.offsets.data(),
                           stride * dst.row_bytes(),
                           dst.pads.data(),
                           planes,
                           h};
  GuardedBytes expected(dst.bytes);
  for (size_t i = 0; i < static_cast<size_t>(planes); ++i)
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < dst.geometry.pitch; ++x) {
        const int64_t* phases = src.offsets.data() + i * static_cast<size_t>(stride);
        uint32_t bits = dst.pads[i];
        if (x < dst_w) bits = pixel_at(src.base() + phases[x % stride] + y * src.row_bytes() + x / stride * 4);
        std::memcpy(expected.data() + dst.offsets[i] + (stride * y + row_phase) * dst.row_bytes() + x * 4, &bits, 4);
      }
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(dst.offsets),
                          readable(dst.pads), writable(dst.bytes)}));
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(spec);
}

TEST(PhaseInterleave, MovesEveryPixel) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(7);
    for (int t = 0; t < trials(isa, 200); ++t) {
      interleave_trial(isa, rng);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Phases, RefuseWhatCannotBe) {
  EXPECT_FALSE(generate(PhaseSplitSpec{Isa::avx2, 2, 4, 8, {4, 0}}).ok());
  EXPECT_FALSE(generate(PhaseSplitSpec{Isa::avx2, kMaxPhases + 1, 1, 8, {4, 0}}).ok());
  EXPECT_FALSE(generate(PhaseInterleaveSpec{Isa::avx2, 2, {0, 0}}).ok());
}

}  // namespace
}  // namespace quadlane::testing
