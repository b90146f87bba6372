#include <algorithm>
#include <cstring>
#include <map>

#include "jit/kernels/pool.h"

namespace quadlane {
namespace {

// Taps i of one axis with 0 <= result * stride - pad + i * dilation < extent are [first, end).
struct Taps {
  int first, end;
};
Taps taps_inside(int result, int stride, int pad, int dilation, int kernel, int extent) {
  int start = result * stride - pad;
  int first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  int end = std::min(kernel, start >= extent ? 0 : (extent - start + dilation - 1) / dilation);
  return {first, std::max(first, end)};
}

// Taps of one axis inside the padded input: what count_include_pad counts.
int taps_padded(int result, int stride, int dilation, int kernel, int padded) {
  return std::clamp((padded - result * stride + dilation - 1) / dilation, 0, kernel);
}

// The input and its padding; `pad_end` -1 stands for as much as the last window reaches.
int padded_extent(int results, int stride, int pad, int dilation, int kernel, int extent, int pad_end) {
  if (pad_end >= 0) return extent + pad + pad_end;
  return std::max(extent + pad, (results - 1) * stride + dilation * (kernel - 1) + 1);
}

}  // namespace

std::vector<PoolRow> pool_rows(const PoolSpec& s, int src_pitch) {
  std::vector<PoolRow> rows;
  for (int y = 0; y < s.dst_h; ++y) {
    Taps t = taps_inside(y, s.stride_h, s.pad_top, s.dilation_h, s.kh, s.src_h);
    int64_t row = int64_t{y} * s.stride_h - s.pad_top + int64_t{t.first} * s.dilation_h;
    rows.push_back({row * src_pitch * kPixelBytes, t.end - t.first, 0});
  }
  return rows;
}

std::vector<std::byte> pool_factors(const PoolSpec& s, bool count_include_pad, float mult, int in_zero,
                                    std::vector<PoolRow>& rows, int pad_bottom, int pad_right) {
  size_t width = static_cast<size_t>((s.dst.w + kVectorPixels - 1) / kVectorPixels * kVectorPixels);
  size_t row_bytes = width * (s.f32 ? 1 : 2) * sizeof(float);
  int padded_h = padded_extent(s.dst_h, s.stride_h, s.pad_top, s.dilation_h, s.kh, s.src_h, pad_bottom);
  int padded_w = padded_extent(s.dst.w, s.stride_w, s.pad_left, s.dilation_w, s.kw, s.src_w, pad_right);
  std::map<std::pair<int, int>, int32_t> made;  // rows with equal counts share their factors
  std::vector<std::byte> bytes;
  for (int y = 0; y < s.dst_h; ++y) {
    PoolRow& row = rows[static_cast<size_t>(y)];
    int counted_h = count_include_pad ? taps_padded(y, s.stride_h, s.dilation_h, s.kh, padded_h) : row.taps;
    auto [entry, added] = made.try_emplace({row.taps, counted_h}, static_cast<int32_t>(bytes.size()));
    row.factors = entry->second;
    if (!added) continue;
    std::vector<float> factor(width, 1.0f);
    std::vector<int32_t> bias(width, 0);
    for (int x = 0; x < s.dst.w; ++x) {
      Taps t = taps_inside(x, s.stride_w, s.pad_left, s.dilation_w, s.kw, s.src_w);
      int counted_w = count_include_pad ? taps_padded(x, s.stride_w, s.dilation_w, s.kw, padded_w) : t.end - t.first;
      int count = counted_h * counted_w;  // 0: an empty window, whose average is 0
      factor[static_cast<size_t>(x)] = s.f32        ? static_cast<float>(std::max(count, 1))
                                       : count == 0 ? 0.0f
                                                    : mult / static_cast<float>(count);
      bias[static_cast<size_t>(x)] = -row.taps * (t.end - t.first) * in_zero;
    }
    bytes.resize(bytes.size() + row_bytes);
    std::byte* to = bytes.data() + bytes.size() - row_bytes;
    std::memcpy(to, factor.data(), width * sizeof(float));
    if (!s.f32) std::memcpy(to + width * sizeof(float), bias.data(), width * sizeof(int32_t));
  }
  return bytes;
}

bool has_empty_window(const PoolSpec& s) {
  auto empty = [](int results, int stride, int pad, int dilation, int kernel, int extent) {
    for (int i = 0; i < results; ++i)
      if (Taps t = taps_inside(i, stride, pad, dilation, kernel, extent); t.first == t.end) return true;
    return false;
  };
  return empty(s.dst_h, s.stride_h, s.pad_top, s.dilation_h, s.kh, s.src_h) ||
         empty(s.dst.w, s.stride_w, s.pad_left, s.dilation_w, s.kw, s.src_w);
}

}  // namespace quadlane
