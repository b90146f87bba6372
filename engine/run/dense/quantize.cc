#include "engine/run/dense/quantize.h"

#include <algorithm>
#include <limits>

#include "engine/run/dense/math.h"
#include "engine/base/on_isa.h"

namespace quadlane::run {
namespace {

constexpr int64_t kChunk = 2048;

// Elements of one row; scales and zeros walk along or stand still.
struct Row {
  const float* scale;
  const int32_t* zero;
  int64_t n;
  float lowest, most;  // of the integer's type
};

template <bool Divide, bool Walk>
void quantize_row(const float* x, const Row& r, uint8_t* y) {
  const float *scale = r.scale, lowest = r.lowest, most = r.most;
  const int32_t* zeros = r.zero;
  const int64_t n = r.n;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t zero = zeros[Walk ? i : 0];
    const float s = scale[Walk ? i : 0], offset = static_cast<float>(zero);
    float v = Divide ? x[i] / s : x[i] * s;
    v = v != v ? 0.0f : v;
    v = v < lowest - offset ? lowest - offset : v;
    v = v > most - offset ? most - offset : v;
    y[i] = static_cast<uint8_t>(zero + static_cast<int32_t>((v + kRoundMagic) - kRoundMagic));
  }
}

template <class I, bool Walk>
void dequantize_row(const I* x, const Row& r, float* y) {
  using Wide = std::conditional_t<sizeof(I) == 1, int32_t, int64_t>;
  const float* scale = r.scale;
  const int32_t* zeros = r.zero;
  const int64_t n = r.n;
  for (int64_t i = 0; i < n; ++i)
    y[i] = static_cast<float>(Wide{x[i]} - Wide{zeros[Walk ? i : 0]}) * scale[Walk ? i : 0];
}

// The bytes have one loop: only their bounds differ.
template <bool Walk>
void quantize_row(const GridStep& g, const float* x, const Row& row, uint8_t* y) {
  if (g.divide)
    on_isa(g.isa, [=] { quantize_row<true, Walk>(x, row, y); });
  else
    on_isa(g.isa, [=] { quantize_row<false, Walk>(x, row, y); });
}

template <class I, bool Walk>
void run_row(const GridStep& g, const RunContext& ctx, int64_t first, int64_t n, int64_t entry) {
  using Limits = std::numeric_limits<I>;
  int32_t zeros[Walk ? kChunk : 1] = {};
  if (g.has_zero) std::copy_n(static_cast<const I*>(g.zero.at(ctx)) + entry, Walk ? n : 1, zeros);
  const Row row{static_cast<const float*>(g.scale.at(ctx)) + entry, zeros, n, static_cast<float>(Limits::lowest()),
                static_cast<float>(Limits::max())};
  const auto* from = static_cast<const std::byte*>(g.from.at(ctx));
  auto* to = static_cast<std::byte*>(g.to.at(ctx));
  if (g.quantize) {
    quantize_row<Walk>(g, reinterpret_cast<const float*>(from) + first, row, reinterpret_cast<uint8_t*>(to) + first);
  } else {
    const I* x = reinterpret_cast<const I*>(from) + first;
    float* y = reinterpret_cast<float*>(to) + first;
    on_isa(g.isa, [=] { dequantize_row<I, Walk>(x, row, y); });
  }
}

template <class I>
void run_row(const GridStep& g, const RunContext& ctx, int64_t first, int64_t n, int64_t entry, bool walk) {
  walk ? run_row<I, true>(g, ctx, first, n, entry) : run_row<I, false>(g, ctx, first, n, entry);
}

}  // namespace

void GridStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const bool walk = entries > 1 && inner == 1;
  const int64_t length = entries == 1 ? count : walk ? entries : inner;
  if (count == 0) return;
  const int64_t chunks = (length + kChunk - 1) / kChunk;
  Share share(count / length * chunks, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t row = i / chunks, at = i % chunks * kChunk, n = std::min(kChunk, length - at);
    const int64_t entry = walk ? at : entries == 1 ? 0 : row % entries, first = row * length + at;
    switch (bytes) {
      case DType::u8: run_row<uint8_t>(*this, ctx, first, n, entry, walk); break;
      case DType::s8: run_row<int8_t>(*this, ctx, first, n, entry, walk); break;
      default: run_row<int32_t>(*this, ctx, first, n, entry, walk); break;
    }
  }
}

}  // namespace quadlane::run
