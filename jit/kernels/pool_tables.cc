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

// Taps of one axis inside the padded input: what count_include_pad counts. `pad_end` is what the result extent implies.
int taps_padded(int result, int stride, int pad, int dilation, int kernel, int extent, int results) {
  int pad_end = std::max(0, (results - 1) * stride + dilation * (kernel - 1) + 1 - extent - pad);
  int start = result * stride, padded = extent + pad + pad_end;
  return std::min(kernel, (padded - start + dilation - 1) / dilation);
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
                                    std::vector<PoolRow>& rows) {
  size_t width = static_cast<size_t>((s.dst.w + kVectorPixels - 1) / kVectorPixels * kVectorPixels);
  size_t row_bytes = width * (s.f32 ? 1 : 2) * sizeof(float);
  std::map<std::pair<int, int>, int32_t> made;  // rows with equal counts share their factors
  std::vector<std::byte> bytes;
  for (int y = 0; y < s.dst_h; ++y) {
    int inside_h = rows[static_cast<size_t>(y)].taps;
    int counted_h =
        count_include_pad ? taps_padded(y, s.stride_h, s.pad_top, s.dilation_h, s.kh, s.src_h, s.dst_h) : inside_h;
    auto [entry, added] = made.try_emplace({inside_h, counted_h}, static_cast<int32_t>(bytes.size()));
    rows[static_cast<size_t>(y)].factors = entry->second;
    if (!added) continue;
    std::vector<float> factor(width, 1.0f);
    std::vector<int32_t> bias(width, 0);
    for (int x = 0; x < s.dst.w; ++x) {
      Taps t = taps_inside(x, s.stride_w, s.pad_left, s.dilation_w, s.kw, s.src_w);
      int inside = inside_h * (t.end - t.first);
      int counted_w = count_include_pad ? taps_padded(x, s.stride_w, s.pad_left, s.dilation_w, s.kw, s.src_w, s.dst.w)
                                        : t.end - t.first;
      float count = static_cast<float>(counted_h * counted_w);
      factor[static_cast<size_t>(x)] = s.f32 ? count : mult / count;
      bias[static_cast<size_t>(x)] = -inside * in_zero;
    }
    bytes.resize(bytes.size() + row_bytes);
    std::byte* to = bytes.data() + bytes.size() - row_bytes;
    std::memcpy(to, factor.data(), width * sizeof(float));
    if (!s.f32) std::memcpy(to + width * sizeof(float), bias.data(), width * sizeof(int32_t));
  }
  return bytes;
}

}  // namespace quadlane
