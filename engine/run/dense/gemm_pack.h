// The operands of generated matrix products, packed as engine/base/abi/gemm.h draws them.
//
// Integers: bytes are stored as u8 in A and as s8 in B whatever they were: signed ones of A and unsigned ones of B have
// 128 added or taken away (their top bit flips), and so has their zero point.
#pragma once

#include "engine/base/abi/gemm.h"
#include "engine/run/step.h"

namespace quadlane::run {

// A matrix in memory: element (r, c) at r * row + c * column.
struct MatrixStrides {
  int64_t row, column;
  static constexpr auto kFields = std::tuple{&MatrixStrides::row, &MatrixStrides::column};
};

struct GemmLayout {
  Isa isa;  // of the kernel
  bool integer;
  int64_t k, n;
  static constexpr auto kFields = std::tuple{&GemmLayout::isa, &GemmLayout::integer, &GemmLayout::k, &GemmLayout::n};

  int columns() const { return gemm_columns(isa); }
  int64_t panels() const { return (n + columns() - 1) / columns(); }
  int64_t steps() const { return (k + gemm_step(isa, integer) - 1) / gemm_step(isa, integer); }
  int64_t panel_bytes() const { return steps() * columns() * (integer ? gemm_step(isa, true) : 4); }
  int64_t b_bytes() const { return panels() * panel_bytes(); }
  int64_t padded_n() const { return panels() * columns(); }
  int64_t a_row_bytes() const { return steps() * 4; }
};

// Panels [first, last) of B times alpha; what lies beyond k and n is 0.
void pack_b(const GemmLayout&, const float* b, MatrixStrides, float alpha, int64_t first, int64_t last, std::byte* to);
// The same for bytes, whose top bits are flipped by `flip` = 0x80; sums[j] becomes the sum of column j as stored.
void pack_b(const GemmLayout&, const uint8_t* b, MatrixStrides, uint8_t flip, int64_t first, int64_t last,
            std::byte* to, int32_t* sums);
// Rows [first, last) of A; sums[i] becomes the sum of row i as stored. Integers only: f32 rows are used where they lie.
void pack_a(const GemmLayout&, const uint8_t* a, MatrixStrides, uint8_t flip, int64_t first, int64_t last,
            std::byte* to, int32_t* sums);

// Packs `matrices` matrices B that are only known at run time; integers leave their column sums at `sums`.
class PackBStep final : public Step {
 public:
  GemmLayout layout;
  MatrixStrides strides;
  int64_t matrices = 1;
  float alpha = 1;
  uint8_t flip = 0;
  DenseAddress from, to, sums;
  static constexpr auto kFields =
      std::tuple{&PackBStep::layout, &PackBStep::strides, &PackBStep::matrices, &PackBStep::alpha,
                 &PackBStep::flip,   &PackBStep::from,    &PackBStep::to,       &PackBStep::sums};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// Packs all matrices A of a product of integers, `rows` rows each.
class PackAStep final : public Step {
 public:
  GemmLayout layout;
  MatrixStrides strides;
  int64_t matrices = 1, rows = 0;
  uint8_t flip = 0;
  DenseAddress from, to, sums;
  static constexpr auto kFields =
      std::tuple{&PackAStep::layout, &PackAStep::strides, &PackAStep::matrices, &PackAStep::rows,
                 &PackAStep::flip,   &PackAStep::from,    &PackAStep::to,       &PackAStep::sums};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
