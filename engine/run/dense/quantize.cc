#include "engine/run/dense/quantize.h"

#include <algorithm>
#include <limits>

#include "engine/run/dense/math.h"
#include "engine/run/dense/on_isa.h"

namespace quadlane::run {
namespace {

// Elements of one row; scales and zeros walk along or stand still.
template <class I>
struct Row {
  const float* scale;
  const I* zero;  // null: 0
  int64_t n;
};

template <class I, bool Divide, bool Walk, bool Zero>
void quantize_row(const float* x, const Row<I>& r, I* y) {
  constexpr float kLowest = std::numeric_limits<I>::lowest(), kMost = std::numeric_limits<I>::max();
  const float* scale = r.scale;
  const I* zeros = r.zero;
  const int64_t n = r.n;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t zero = Zero ? zeros[Walk ? i : 0] : 0;
    const float s = scale[Walk ? i : 0], offset = static_cast<float>(zero);
    float v = Divide ? x[i] / s : x[i] * s;
    v = v != v ? 0.0f : v;
    v = v < kLowest - offset ? kLowest - offset : v;
    v = v > kMost - offset ? kMost - offset : v;
    y[i] = static_cast<I>(zero + static_cast<int32_t>((v + kRoundMagic) - kRoundMagic));
  }
}

template <class I, bool Walk, bool Zero>
void dequantize_row(const I* x, const Row<I>& r, float* y) {
  const float* scale = r.scale;
  const I* zeros = r.zero;
  const int64_t n = r.n;
  for (int64_t i = 0; i < n; ++i) {
    const I zero = Zero ? zeros[Walk ? i : 0] : I{0};
    if constexpr (sizeof(I) == 1)
      y[i] = static_cast<float>(int32_t{x[i]} - int32_t{zero}) * scale[Walk ? i : 0];
    else
      y[i] = static_cast<float>(int64_t{x[i]} - int64_t{zero}) * scale[Walk ? i : 0];
  }
}

// f(walk, zero) with both as constants.
template <class F>
void with_flags(bool walk, bool zero, const F& f) {
  constexpr std::true_type kYes;
  constexpr std::false_type kNo;
  if (walk)
    zero ? f(kYes, kYes) : f(kYes, kNo);
  else
    zero ? f(kNo, kYes) : f(kNo, kNo);
}

template <class I>
void run_rows(const GridStep& g, const RunContext& ctx, int64_t first, int64_t n, int64_t entry, bool walk) {
  const Row<I> row{static_cast<const float*>(g.scale.at(ctx)) + entry,
                   g.has_zero ? static_cast<const I*>(g.zero.at(ctx)) + entry : nullptr, n};
  const Isa isa = g.isa;
  const bool divide = g.divide;
  with_flags(walk, g.has_zero, [&](auto walks, auto zero) {
    constexpr bool kWalk = decltype(walks)::value, kZero = decltype(zero)::value;
    if (!g.quantize) {
      const I* x = static_cast<const I*>(g.from.at(ctx)) + first;
      float* y = static_cast<float*>(g.to.at(ctx)) + first;
      on_isa(isa, [=] { dequantize_row<I, kWalk, kZero>(x, row, y); });
    } else if constexpr (sizeof(I) == 1) {
      const float* x = static_cast<const float*>(g.from.at(ctx)) + first;
      I* y = static_cast<I*>(g.to.at(ctx)) + first;
      if (divide)
        on_isa(isa, [=] { quantize_row<I, true, kWalk, kZero>(x, row, y); });
      else
        on_isa(isa, [=] { quantize_row<I, false, kWalk, kZero>(x, row, y); });
    }
  });
}

constexpr int64_t kChunk = 8192;

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
      case DType::u8: run_rows<uint8_t>(*this, ctx, first, n, entry, walk); break;
      case DType::s8: run_rows<int8_t>(*this, ctx, first, n, entry, walk); break;
      default: run_rows<int32_t>(*this, ctx, first, n, entry, walk); break;
    }
  }
}

}  // namespace quadlane::run
