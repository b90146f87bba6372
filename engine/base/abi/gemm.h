// The calling convention of generated matrix product tiles (jit/kernels/gemm), and how their operands are packed.
//
//   c[i][j] = sum over steps s of dot(a[i][s], b[s][j])        i < rows, j < panels * columns
//
// A step is 4 bytes of a row of A: one f32, two s16, or four u8 (VNNI). The columns of B lie in panels:
//
//   panel 0:  step 0: column 0, 1, .. columns-1   step 1: column 0, ..        each column holds the step's factors
//   panel 1:  ...                                                             (f32, or s8 by s8)
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/base/cpu.h"

namespace quadlane {

struct GemmArgs {
  const std::byte* a;   // row 0
  int64_t a_stride;     // bytes between rows
  const std::byte* b;   // first panel
  int64_t panel_bytes;  // between panels
  std::byte* c;         // f32 or s32, any alignment
  int64_t c_stride;     // bytes between rows
  int64_t steps;
};

// Two vector registers of sums.
constexpr int gemm_columns(Isa isa) { return 2 * vector_lanes(isa); }
// The factors a step holds.
constexpr int gemm_step(Isa isa, bool integer) { return !integer ? 1 : has_vnni(isa) ? 4 : 2; }
// Bytes of one factor of A; those of B are 4 or 1.
constexpr int gemm_factor_bytes(Isa isa, bool integer) { return 4 / gemm_step(isa, integer); }
inline constexpr int kGemmMaxRows = 12, kGemmMaxColumns = 128;  // of any tile

}  // namespace quadlane
