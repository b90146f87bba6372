#include "engine/run/dense/gemm_step.h"

#include <cstring>

#include "engine/base/on_isa.h"

namespace quadlane::run {
namespace {

constexpr int64_t kBlockTiles = 16;  // row tiles whose stretch of A stays in the second-level cache

}  // namespace

void GemmStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const auto matrices = static_cast<int64_t>(a_matrix.size());
  const int64_t tiles = row_tiles(), groups = panel_groups();
  // Threads split rows when there are enough for all of them, columns otherwise.
  const bool by_rows = matrices * tiles >= 4 * parts || tiles >= groups;
  const int64_t count = by_rows ? tiles : groups;
  Share share(matrices * count, part, parts);
  for (int64_t i = share.begin; i < share.end;) {
    const int64_t matrix = i / count, first = i % count;
    int64_t last = std::min(count, first + share.end - i);
    Share all_tiles(tiles, 0, 1), all_groups(groups, 0, 1), some(1, 0, 1);
    if (by_rows) last = std::min(last, first + kBlockTiles);
    some.begin = first, some.end = last;
    if (by_rows) {
      block(ctx, matrix, some, all_groups);
    } else {
      for (int64_t t = 0; t < tiles; t += kBlockTiles) {
        all_tiles.begin = t, all_tiles.end = std::min(tiles, t + kBlockTiles);
        block(ctx, matrix, all_tiles, some);
      }
    }
    i += last - first;
  }
}

void GemmStep::block(const RunContext& ctx, int64_t matrix, Share tiles, Share groups) const {
  const int64_t steps = layout.steps(), chunk = layout.integer ? steps : kGemmChunk;
  if (tiles.end - tiles.begin == 1) {  // B is read once: in the order of memory
    for (int64_t g = groups.begin; g < groups.end; ++g)
      for (int64_t step = 0; step < steps; step += chunk) tile(ctx, matrix, tiles.begin, g, step);
    return;
  }
  for (int64_t step = 0; step < steps; step += chunk)
    for (int64_t g = groups.begin; g < groups.end; ++g)
      for (int64_t t = tiles.begin; t < tiles.end; ++t) tile(ctx, matrix, t, g, step);
}

void GemmStep::tile(const RunContext& ctx, int64_t matrix, int64_t tile, int64_t group, int64_t step) const {
  alignas(64) std::byte sums[kGemmMaxRows * gemm_columns(Isa::avx512_vnni) * 4];
  static_assert(sizeof sums >= kGemmMaxColumns * 4 * 3, "flat tiles have at most 3 rows");
  const int64_t width = layout.columns(), panel = group * panels;
  const int64_t tile_panels = std::min<int64_t>(panels, layout.panels() - panel);
  GemmTile t{matrix, tile * rows, panel * width, std::min<int64_t>(rows, m - tile * rows), 0, tile_panels * width,
             sums,   step == 0,   true};
  t.columns = std::min(t.width, layout.n - t.column);
  const auto index = static_cast<size_t>(matrix);
  GemmArgs args;
  args.a = static_cast<const std::byte*>(a.at(ctx)) + (a_matrix[index] * m + t.row) * a_row_bytes + step * 4;
  args.a_stride = a_row_bytes;
  args.b = static_cast<const std::byte*>(b.at(ctx)) + b_matrix[index] * layout.b_bytes() +
           panel * layout.panel_bytes() + step * (layout.panel_bytes() / layout.steps());
  args.panel_bytes = layout.panel_bytes();
  args.c = sums;
  args.c_stride = t.width * 4;
  args.steps = layout.integer ? layout.steps() : std::min(kGemmChunk, layout.steps() - step);
  t.last = step + args.steps == layout.steps();
  ctx.call(kernels[t.rows < rows][tile_panels < panels], &args);
  finish(ctx, t);
}

namespace {

// 16 columns of a row, or fewer. `c` strides: 0 or 1.
void add_row(const float* sums, const float* c, int64_t c_column, float beta, int64_t n, float* y) {
  if (!c) {
    for (int64_t j = 0; j < n; ++j) y[j] = sums[j];
  } else if (c_column) {
    for (int64_t j = 0; j < n; ++j) y[j] = sums[j] + beta * c[j];
  } else {
    const float value = beta * *c;
    for (int64_t j = 0; j < n; ++j) y[j] = sums[j] + value;
  }
}

}  // namespace

void GemmF32Step::finish(const RunContext& ctx, const GemmTile& t) const {
  const auto* sums = static_cast<const float*>(t.sums);
  float* to = static_cast<float*>(y.at(ctx)) + (t.matrix * m + t.row) * layout.n + t.column;
  const float* given = has_c ? static_cast<const float*>(c.at(ctx)) + t.row * c_row + t.column * c_column : nullptr;
  const bool later = !t.first;
  const float scale = later ? 1.0f : beta;
  const int64_t n = layout.n, from_column = later ? 1 : c_column, width = t.width, rows_here = t.rows;
  const int64_t from_row = later ? n : c_row, columns = t.columns;
  const float* source = later ? to : given;
  on_isa(loops, [=] {
    for (int64_t i = 0; i < rows_here; ++i) {
      const float *row = sums + i * width, *with = source ? source + i * from_row : nullptr;
      if (columns == 16)
        add_row(row, with, from_column, scale, 16, to + i * n);
      else
        add_row(row, with, from_column, scale, columns, to + i * n);
    }
  });
}

namespace {

constexpr int kColumns = 16;  // the epilogue's own step; divides every tile's width

struct IntegerRow {
  uint32_t base[kColumns];    // what depends on the column only
  uint32_t b_zero[kColumns];  // 0 where there is none
  const float *mult, *add;
  float v_lo, v_hi;
  int32_t out_zero;
};

void finish_row(const IntegerRow& r, const int32_t* sums, uint32_t row_term, int64_t n, int32_t* y) {
  int32_t out[kColumns];
  for (int j = 0; j < kColumns; ++j)
    out[j] = static_cast<int32_t>(static_cast<uint32_t>(sums[j]) + r.base[j] - r.b_zero[j] * row_term);
  std::memcpy(y, out, static_cast<size_t>(n) * 4);
}
void finish_row(const IntegerRow& r, const int32_t* sums, uint32_t row_term, int64_t n, float* y) {
  float out[kColumns];
  for (int j = 0; j < kColumns; ++j) {
    const auto sum = static_cast<int32_t>(static_cast<uint32_t>(sums[j]) + r.base[j] - r.b_zero[j] * row_term);
    out[j] = static_cast<float>(sum) * r.mult[j] + r.add[j];
  }
  std::memcpy(y, out, static_cast<size_t>(n) * 4);
}
// zero + round_half_even(clamp(float(sum) * mult)): adding 1.5 * 2^23 rounds to nearest, ties to even.
void finish_row(const IntegerRow& r, const int32_t* sums, uint32_t row_term, int64_t n, uint8_t* y) {
  constexpr float kMagic = 0x1.8p23f;
  uint8_t out[kColumns];
  for (int j = 0; j < kColumns; ++j) {
    const auto sum = static_cast<int32_t>(static_cast<uint32_t>(sums[j]) + r.base[j] - r.b_zero[j] * row_term);
    float v = static_cast<float>(sum) * r.mult[j];
    v = v < r.v_lo ? r.v_lo : v;
    v = v > r.v_hi ? r.v_hi : v;
    out[j] = static_cast<uint8_t>(r.out_zero + static_cast<int32_t>((v + kMagic) - kMagic));
  }
  std::memcpy(y, out, static_cast<size_t>(n));
}

template <class Y>
void finish_rows(Isa loops, const IntegerRow& row, const GemmTile& t, int64_t column, const int32_t* row_sums,
                 uint32_t row_bias, int64_t stride, Y* y) {
  const auto* sums = static_cast<const int32_t*>(t.sums) + column;
  const int64_t n = std::min<int64_t>(kColumns, t.columns - column), rows = t.rows, width = t.width;
  const IntegerRow* shared = &row;
  on_isa(loops, [=] {
    for (int64_t i = 0; i < rows; ++i)
      finish_row(*shared, sums + i * width, static_cast<uint32_t>(row_sums[i]) - row_bias, n, y + i * stride);
  });
}

}  // namespace

void GemmIntegerStep::finish(const RunContext& ctx, const GemmTile& t) const {
  const auto index = static_cast<size_t>(t.matrix);
  const auto zero =
      static_cast<uint32_t>(a_zero_at_run ? *static_cast<const uint8_t*>(a_zero_value.at(ctx)) ^ a_flip : a_zero);
  const auto* column_sums = static_cast<const int32_t*>(b_sums.at(ctx)) + b_matrix[index] * layout.padded_n();
  const auto* row_sums = static_cast<const int32_t*>(a_sums.at(ctx)) + a_matrix[index] * m + t.row;
  const auto* biases = static_cast<const int32_t*>(bias.at(ctx));
  const auto* zeros = has_b_zero ? static_cast<const int32_t*>(b_zero.at(ctx)) : nullptr;
  const int64_t n = layout.n, to = (t.matrix * m + t.row) * n + t.column;
  for (int64_t c = 0; c < t.columns; c += kColumns) {
    const int64_t column = t.column + c;
    IntegerRow row;
    for (int j = 0; j < kColumns; ++j) {
      row.base[j] = static_cast<uint32_t>(biases[column + j]) - zero * static_cast<uint32_t>(column_sums[column + j]);
      row.b_zero[j] = zeros ? static_cast<uint32_t>(zeros[column + j]) : 0;
    }
    row.mult = out == DType::s32 ? nullptr : static_cast<const float*>(mult.at(ctx)) + column;
    row.add = out == DType::f32 ? static_cast<const float*>(add.at(ctx)) + column : nullptr;
    row.v_lo = v_lo, row.v_hi = v_hi, row.out_zero = out_zero;
    const uint32_t row_bias = static_cast<uint32_t>(layout.k) * zero;
    if (out == DType::s32)
      finish_rows(loops, row, t, c, row_sums, row_bias, n, static_cast<int32_t*>(y.at(ctx)) + to + c);
    else if (out == DType::f32)
      finish_rows(loops, row, t, c, row_sums, row_bias, n, static_cast<float*>(y.at(ctx)) + to + c);
    else
      finish_rows(loops, row, t, c, row_sums, row_bias, n, static_cast<uint8_t*>(y.at(ctx)) + to + c);
  }
}

}  // namespace quadlane::run
