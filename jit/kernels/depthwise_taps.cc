// The taps of a tile: loads, shuffles, dots.
#include <algorithm>

#include "jit/kernels/depthwise_kernel.h"

namespace quadlane {
namespace {

constexpr uint32_t kEvenBytes = 0x00ff00ff;

}  // namespace

// acc[i] += dot of the taps of pixel p + i; `taps` does not survive.
void Depthwise::taps_of(size_t g, Dot kind, const Vec& weights) {
  auto dot = [&](int i, const Vec& taps) {
    const Vec& acc = acc_[static_cast<size_t>(i)];
    if (kind == Dot::vnni) return a_.vpdpbusd(acc, taps, weights);
    if (kind == Dot::narrow) {
      a_.vpmaddubsw(taps, taps, weights);
      a_.vpmaddwd(taps, taps, ones_);
      return a_.vpaddd(acc, acc, taps);
    }
    Vec even = a_.vec("even");
    a_.bit_and(even, taps, a_.constant_lanes(kEvenBytes));
    a_.vpmaddwd(even, even, weights);
    a_.vpaddd(acc, acc, even);
    a_.vpsrlw(taps, taps, 8);
    a_.vpmaddwd(taps, taps, weights_of(g, 1));
    a_.vpaddd(acc, acc, taps);
  };
  s_.vbmi ? row_across(groups_[g], dot) : groups_[g].row ? row(groups_[g], dot) : loose(groups_[g], dot);
}

// Of the first lanes; the second ones' at step 2: 16 pixels on, or the next row's.
Xbyak::RegExp Depthwise::tap_at(const DepthwiseTap& tap, int pixels) const {
  const auto section = static_cast<size_t>(tap.section);
  const int64_t offset = s_.taps[section][static_cast<size_t>(tap.tap)] + pixels * kPixelBytes;
  const Xbyak::RegExp at = planes_[section] + static_cast<int>(offset);
  return paired() ? at : at + x_;
}
Xbyak::RegExp Depthwise::second_at(const DepthwiseTap& tap, int pixels) const {
  return paired() ? tap_at(tap, pixels) + x_ : tap_at(tap, pixels + a_.lanes());
}

void Depthwise::clamp(const Vec& v) {
  if (s_.clamp_lo) a_.vpmaxub(v, v, block(DepthwiseBlock::clamp_lo));
  if (s_.clamp_hi) a_.vpminub(v, v, block(DepthwiseBlock::clamp_hi));
}

void Depthwise::load_tap(const Vec& to, const DepthwiseTap& tap, int pixels) {
  if (s_.step < 2) {
    a_.load(to, a_.ptr[tap_at(tap, pixels)]);
  } else if (a_.avx512()) {  // lanes 0 and 2 of both
    a_.load(to, a_.ptr[tap_at(tap, 2 * pixels)]);
    a_.vshufi32x4(to.zmm(), to.zmm(), a_.ptr[second_at(tap, 2 * pixels)], 0x88);
  } else {
    a_.vmovdqu(to.xmm(), a_.ptr[tap_at(tap, 2 * pixels)]);
    a_.vinserti128(to.ymm(), to.ymm(), a_.ptr[second_at(tap, 2 * pixels)], 1);
  }
  clamp(to);
}

// Byte k of channel j: channel lanes[j] of pixel[k], `pixels` on. Shuffles look at the bits of a 128-bit lane alone;
// permutations across two registers find lane l's pixels 8 * l on.
std::vector<uint32_t> Depthwise::row_order(const DepthwiseGroup& g, int pixels) const {
  std::vector<uint32_t> order;
  for (int dword = 0; dword < (s_.vbmi ? 16 : 4); ++dword) {
    const int first = pixels + (s_.vbmi ? dword / 4 * 8 : 0), lane = s_.lanes[static_cast<size_t>(dword % 4)];
    uint32_t bytes = 0;
    for (size_t k = 0; k < 4; ++k) bytes |= static_cast<uint32_t>(4 * (first + g.pixel[k]) + lane) << 8 * k;
    order.push_back(bytes);
  }
  return order;
}

void Depthwise::row(const DepthwiseGroup& g, const TapsUse& dot) {
  for (int i = 0; i < kGroups; ++i) {
    const Vec& taps = work_[static_cast<size_t>(i)];
    load_tap(taps, g.slot[0], i);
    a_.vpshufb(taps, taps, order_.at({g.distinct, 0}));
    dot(i, taps);
  }
}

// Step 2: two loads, each accumulator's taps by one permutation across them; the last accumulator loads for itself.
void Depthwise::row_across(const DepthwiseGroup& g, const TapsUse& dot) {
  const Vec &first = work_[0], &second = work_[1], &taps = work_[2];
  auto load_both = [&](int pixels) {
    a_.load(first, a_.ptr[tap_at(g.slot[0], pixels)]);
    a_.load(second, a_.ptr[second_at(g.slot[0], pixels)]);
    clamp(first), clamp(second);
  };
  load_both(0);
  for (int i = 0; i < kAcross; ++i) {
    const Vec& to = i + 1 < kAcross ? taps : first;
    if (i + 1 < kAcross) a_.copy(to, first);
    a_.vpermt2b(to, order_.at({g.distinct, i}), second);
    dot(i, to);
  }
  load_both(2 * kAcross);
  a_.vpermt2b(first, order_.at({g.distinct, 0}), second);
  dot(kAcross, first);
}

//   t0, t1 -> bytes  p: c0(t0 t1) .. c3(t0 t1) | p+1: ..      low half of a lane: pixels p, p+1; high: p+2, p+3
//   and t2, t3 -> words  p: c0(t0 t1 t2 t3) .. c3(..)         the low and the high half again
void Depthwise::loose(const DepthwiseGroup& g, const TapsUse& dot) {
  const Vec &low01 = work_[0], &high01 = work_[1], &low23 = work_[2], &high23 = work_[3];
  auto interleave = [&](const Vec& low, const Vec& high, size_t first) {
    Vec other = a_.vec("taps");
    load_tap(low, g.slot[first], 0);
    load_tap(other, g.slot[first + 1], 0);
    a_.vpunpckhbw(high, low, other);
    a_.vpunpcklbw(low, low, other);
  };
  interleave(low01, high01, 0);
  if (g.distinct > 2) interleave(low23, high23, 2);
  // Two taps stand in both halves, one in all four bytes.
  const Vec &low = g.distinct > 2 ? low23 : low01, &high = g.distinct > 2 ? high23 : high01;
  for (int i = 0; i < kGroups; ++i) {
    Vec taps = a_.vec("interleaved");
    const Vec &a = i < 2 ? low01 : high01, &b = i < 2 ? low : high;
    i % 2 ? a_.vpunpckhwd(taps, a, b) : a_.vpunpcklwd(taps, a, b);
    if (!same_lanes())
      a_.vpshufd(taps, taps,
                 static_cast<uint8_t>(s_.lanes[0] | s_.lanes[1] << 2 | s_.lanes[2] << 4 | s_.lanes[3] << 6));
    dot(i, taps);
  }
}

}  // namespace quadlane
