// The sum at the heart of every convolution reference, in 1 to 3 spatial dimensions:
//
//   sum[n, o, p] = sum over channels c of o's group and taps k of w(o, c, k) * load(x[n, c, source(p, k)], c)
//
// where source(p, k) is the pixel tap k of output pixel p reads, or nothing (then the term is 0). Convolution and
// transposed convolution differ only in that map and in the order of the weights.
//
// Sums are doubles, for every type: a product of two float32 is exact in a double, and so is a sum of u8 * s8 products
// of any size that fits int32. Every sum runs over c, then k, in ascending order: results do not depend on the machine.
//
// For speed a tap's pixels are gathered once, as doubles, for a chunk of output pixels, and then scaled and added to a
// block of output channels: the inner loop is acc[i] += w * tap[i] over contiguous memory.
#pragma once

#include <array>

#include "ops/conv_attrs.h"

namespace quadlane {

struct TapSum {
  int64_t n = 1, group = 1, group_c = 0, group_o = 0;  // channels of one group
  std::array<int64_t, 3> in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1};
  // Per axis: source[k * out + o] is the input coordinate tap k of output coordinate o reads, or -1.
  std::array<std::vector<int32_t>, 3> source;
  int64_t w_group = 0, w_o = 0, w_c = 0;  // weights between two groups, output channels, input channels

  int64_t in_pixels() const { return in[0] * in[1] * in[2]; }
  int64_t out_pixels() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
};

TapSum conv_taps(const ConvAttrs&, const Shape& x, const Shape& w);
TapSum conv_transpose_taps(const ConvAttrs&, const Shape& x, const Shape& w);

inline constexpr int64_t kTapChunk = 256;  // output pixels gathered at a time
inline constexpr int64_t kTapBlock = 8;    // output channels fed from one gathered tap: 16 KiB of sums

// acc[o * kTapChunk + i] += w[o * w_step] * tap[i] for o < channels, i < count.
void add_tap(double* acc, const double* tap, const double* w, int64_t channels, int64_t count);

namespace detail {

// One row segment of a gathered tap: dst[i] = load(row[map[i]]), 0 where map[i] < 0.
template <class X, class Load>
void gather_row(const X* row, const int32_t* map, int64_t count, double* dst, const Load& load) {
  int64_t i = 0, end = count;
  while (i < count && map[i] < 0) dst[i++] = 0;
  while (end > i && map[end - 1] < 0) dst[--end] = 0;
  if (i == end) return;
  if (map[end - 1] - map[i] == end - 1 - i) {  // stride 1: contiguous
    const X* src = row + map[i];
    for (int64_t j = 0; j < end - i; ++j) dst[i + j] = load(src[j]);
  } else {
    for (; i < end; ++i) dst[i] = map[i] < 0 ? 0.0 : load(row[map[i]]);
  }
}

// Gathers tap k for the output pixels [first, first + count) of one channel's plane; false when it reads nothing.
template <class X, class Load>
bool gather_tap(const TapSum& t, const X* plane, const std::array<int64_t, 3>& k, int64_t first, int64_t count,
                double* dst, const Load& load) {
  bool any = false;
  const int32_t* map = t.source[2].data() + k[2] * t.out[2];
  for (int64_t p = first; p < first + count;) {
    int64_t x = p % t.out[2], row = p / t.out[2], length = std::min(t.out[2] - x, first + count - p);
    int64_t z = t.source[0][static_cast<size_t>(k[0] * t.out[0] + row / t.out[1])];
    int64_t y = t.source[1][static_cast<size_t>(k[1] * t.out[1] + row % t.out[1])];
    if (z < 0 || y < 0) {
      std::fill_n(dst + (p - first), length, 0.0);
    } else {
      gather_row(plane + (z * t.in[1] + y) * t.in[2], map + x, length, dst + (p - first), load);
      any = true;
    }
    p += length;
  }
  return any;
}

}  // namespace detail

// load(x, channel) -> double; finish(image, output channel, first pixel, count, const double* sums) takes the results.
template <class X, class W, class Load, class Finish>
void sum_taps(const TapSum& t, const X* x, const W* w, const Load& load, const Finish& finish) {
  std::vector<double> acc(static_cast<size_t>(kTapBlock * kTapChunk)), tap(static_cast<size_t>(kTapChunk));
  int64_t pixels = t.out_pixels(), c_all = t.group * t.group_c, o_all = t.group * t.group_o;
  double weights[kTapBlock];
  for (int64_t image = 0; image < t.n; ++image)
    for (int64_t o0 = 0; o0 < o_all;) {
      int64_t g = o0 / t.group_o, o_in = o0 % t.group_o, block = std::min(kTapBlock, t.group_o - o_in);
      const W* w_block = w + g * t.w_group + o_in * t.w_o;
      for (int64_t first = 0; first < pixels; first += kTapChunk) {
        int64_t count = std::min(kTapChunk, pixels - first);
        std::fill(acc.begin(), acc.end(), 0.0);
        for (int64_t c = 0; c < t.group_c; ++c) {
          int64_t channel = g * t.group_c + c;
          const X* plane = x + (image * c_all + channel) * t.in_pixels();
          const W* w_tap = w_block + c * t.w_c;
          std::array<int64_t, 3> k;
          for (k[0] = 0; k[0] < t.kernel[0]; ++k[0])
            for (k[1] = 0; k[1] < t.kernel[1]; ++k[1])
              for (k[2] = 0; k[2] < t.kernel[2]; ++k[2], ++w_tap) {
                if (!detail::gather_tap(t, plane, k, first, count, tap.data(), [&](X v) { return load(v, channel); }))
                  continue;
                for (int64_t o = 0; o < block; ++o) weights[o] = static_cast<double>(w_tap[o * t.w_o]);
                add_tap(acc.data(), tap.data(), weights, block, count);
              }
        }
        for (int64_t o = 0; o < block; ++o) finish(image, o0 + o, first, count, acc.data() + o * kTapChunk);
      }
      o0 += block;
    }
}

}  // namespace quadlane
