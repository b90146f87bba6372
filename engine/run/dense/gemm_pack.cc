#include "engine/run/dense/gemm_pack.h"

#include <cstring>

namespace quadlane::run {
namespace {

// One panel, element by element; put(step, column, factor of the step, element) is not called beyond k and n.
template <class T, class Put>
void for_panel(const GemmLayout& l, const T* b, MatrixStrides s, int64_t panel, const Put& put) {
  const int64_t first = panel * l.columns(), columns = std::min<int64_t>(l.n - first, l.columns());
  const int step = gemm_step(l.isa, l.integer);
  for (int64_t k = 0; k < l.k; ++k)
    for (int64_t c = 0; c < columns; ++c) put(k / step, c, k % step, b[k * s.row + (first + c) * s.column]);
}

}  // namespace

void pack_b(const GemmLayout& l, const float* b, MatrixStrides s, float alpha, int64_t first, int64_t last,
            std::byte* to) {
  for (int64_t panel = first; panel < last; ++panel) {
    auto* dst = reinterpret_cast<float*>(to + panel * l.panel_bytes());
    std::memset(dst, 0, static_cast<size_t>(l.panel_bytes()));
    for_panel(l, b, s, panel,
              [&](int64_t step, int64_t c, int64_t, float x) { dst[step * l.columns() + c] = x * alpha; });
  }
}

void pack_b(const GemmLayout& l, const uint8_t* b, MatrixStrides s, uint8_t flip, int64_t first, int64_t last,
            std::byte* to, int32_t* sums) {
  const int step_factors = gemm_step(l.isa, true);
  std::fill(sums + first * l.columns(), sums + last * l.columns(), 0);
  for (int64_t panel = first; panel < last; ++panel) {
    auto* dst = reinterpret_cast<int8_t*>(to + panel * l.panel_bytes());
    std::memset(dst, 0, static_cast<size_t>(l.panel_bytes()));
    for_panel(l, b, s, panel, [&](int64_t step, int64_t c, int64_t factor, uint8_t x) {
      const auto stored = static_cast<int8_t>(x ^ flip);
      dst[(step * l.columns() + c) * step_factors + factor] = stored;
      sums[panel * l.columns() + c] += stored;
    });
  }
}

void pack_a(const GemmLayout& l, const uint8_t* a, MatrixStrides s, uint8_t flip, int64_t first, int64_t last,
            std::byte* to, int32_t* sums) {
  const bool wide = gemm_factor_bytes(l.isa, true) == 2;
  for (int64_t i = first; i < last; ++i) {
    const uint8_t* row = a + i * s.row;
    std::byte* dst = to + i * l.a_row_bytes();
    std::memset(dst + l.a_row_bytes() - 4, 0, 4);  // the last step may be short; k is not 0
    uint32_t sum = 0;
    auto* wide_dst = reinterpret_cast<int16_t*>(dst);
    auto* narrow_dst = reinterpret_cast<uint8_t*>(dst);
    for (int64_t k = 0; k < l.k; ++k) {
      const auto x = static_cast<uint8_t>(row[k * s.column] ^ flip);
      sum += x;
      if (wide)
        wide_dst[k] = x;
      else
        narrow_dst[k] = x;
    }
    sums[i] = static_cast<int32_t>(sum);
  }
}

void PackBStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const int64_t panels = layout.panels();
  Share share(matrices * panels, part, parts);
  for (int64_t i = share.begin; i < share.end;) {
    const int64_t matrix = i / panels, first = i % panels, last = std::min(panels, first + share.end - i);
    std::byte* dst = static_cast<std::byte*>(to.at(ctx)) + matrix * layout.b_bytes();
    const int64_t offset = matrix * layout.k * layout.n;
    if (layout.integer)
      pack_b(layout, static_cast<const uint8_t*>(from.at(ctx)) + offset, strides, flip, first, last, dst,
             static_cast<int32_t*>(sums.at(ctx)) + matrix * layout.padded_n());
    else
      pack_b(layout, static_cast<const float*>(from.at(ctx)) + offset, strides, alpha, first, last, dst);
    i += last - first;
  }
}

void PackAStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  Share share(matrices * rows, part, parts);
  for (int64_t i = share.begin; i < share.end;) {
    const int64_t matrix = i / rows, first = i % rows, last = std::min(rows, first + share.end - i);
    pack_a(layout, static_cast<const uint8_t*>(from.at(ctx)) + matrix * rows * layout.k, strides, flip, first, last,
           static_cast<std::byte*>(to.at(ctx)) + matrix * rows * layout.a_row_bytes(),
           static_cast<int32_t*>(sums.at(ctx)) + matrix * rows);
    i += last - first;
  }
}

}  // namespace quadlane::run
