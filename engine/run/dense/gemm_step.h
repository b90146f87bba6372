// Matrix products by generated tiles. A tile's sums go through a small buffer, where the epilogue turns them into
// results: bias and C for f32, zero points and requantization for integers.
//
//        k0      k1             B is cut into panels of columns, packed.  f32 sums are cut into stretches of
//   A  [ rows x 256 | .. ]      kGemmChunk products, added to y in order: a panel's stretch stays in the first-level
//                               cache while the rows walk by, and rounding errors grow with K / 256.
#pragma once

#include "engine/base/tensor.h"
#include "engine/run/dense/gemm_pack.h"

namespace quadlane::run {

inline constexpr int64_t kGemmChunk = 256;

// Where a tile's results go.
struct GemmTile {
  int64_t matrix;         // of the result
  int64_t row, column;    // its first ones
  int64_t rows, columns;  // that exist
  int64_t width;          // columns of the buffer
  const void* sums;       // f32 or s32 [rows][width]
  bool first, last;       // stretch of K
};

class GemmStep : public Step {
 public:
  Isa loops = Isa::avx2;  // for the epilogue
  GemmLayout layout;
  int64_t m = 0;
  std::vector<int64_t> a_matrix, b_matrix;  // operands of each result matrix
  int rows = 1, panels = 1;                 // the tile
  // [the last rows, of which there are fewer][the last panels]
  KernelFn kernels[2][2] = {};
  DenseAddress a, b, y;
  int64_t a_row_bytes = 0;
  static constexpr auto kFields =
      std::tuple{&GemmStep::loops,    &GemmStep::layout, &GemmStep::m,      &GemmStep::a_matrix,
                 &GemmStep::b_matrix, &GemmStep::rows,   &GemmStep::panels, &GemmStep::kernels,
                 &GemmStep::a,        &GemmStep::b,      &GemmStep::y,      &GemmStep::a_row_bytes};
  void run(const RunContext&, int part, int parts) const noexcept final;

 protected:
  void check_product(Checker&, int64_t result_bytes) const;
  virtual void finish(const RunContext&, const GemmTile&) const = 0;

 private:
  int64_t row_tiles() const { return (m + rows - 1) / rows; }
  int64_t panel_groups() const { return (layout.panels() + panels - 1) / panels; }
  void block(const RunContext&, int64_t matrix, Share tiles, Share groups) const;
  void tile(const RunContext&, int64_t matrix, int64_t tile, int64_t group, int64_t step) const;
};

// y = sum + beta * c, c at c_row * i + c_column * j; alpha is in B.
class GemmF32Step final : public GemmStep {
 public:
  bool has_c = false;
  DenseAddress c;
  int64_t c_row = 0, c_column = 0;
  float beta = 1;
  static constexpr auto kFields =
      std::tuple_cat(GemmStep::kFields, std::tuple{&GemmF32Step::has_c, &GemmF32Step::c, &GemmF32Step::c_row,
                                                   &GemmF32Step::c_column, &GemmF32Step::beta});
  void check(Checker&) const;

 private:
  void finish(const RunContext&, const GemmTile&) const override;
};

// sum + bias[j] - a_zero * (sum of column j of B) - b_zero[j] * (sum of row i of A - k * a_zero), all as packed.
class GemmIntegerStep final : public GemmStep {
 public:
  DenseAddress a_sums, b_sums;  // of the packed operands
  DenseAddress bias;            // s32 [padded n]
  bool has_b_zero = false;
  DenseAddress b_zero;         // s32 [padded n], of the packed bytes
  int32_t a_zero = 0;          // of the packed bytes
  bool a_zero_at_run = false;  // then it is a byte at a_zero_value, its top bit flipped by a_flip
  DenseAddress a_zero_value;
  uint8_t a_flip = 0;
  DType out = DType::s32;
  DenseAddress mult, add;  // f32 [padded n]
  float v_lo = 0, v_hi = 0;
  int32_t out_zero = 0;
  static constexpr auto kFields = std::tuple_cat(
      GemmStep::kFields,
      std::tuple{&GemmIntegerStep::a_sums, &GemmIntegerStep::b_sums, &GemmIntegerStep::bias,
                 &GemmIntegerStep::has_b_zero, &GemmIntegerStep::b_zero, &GemmIntegerStep::a_zero,
                 &GemmIntegerStep::a_zero_at_run, &GemmIntegerStep::a_zero_value, &GemmIntegerStep::a_flip,
                 &GemmIntegerStep::out, &GemmIntegerStep::mult, &GemmIntegerStep::add, &GemmIntegerStep::v_lo,
                 &GemmIntegerStep::v_hi, &GemmIntegerStep::out_zero});
  void check(Checker&) const;

 private:
  void finish(const RunContext&, const GemmTile&) const override;
};

}  // namespace quadlane::run
