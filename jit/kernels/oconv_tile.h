// What the two stages of the kernel share: accumulators and the pointers that live across them.
#pragma once

#include "jit/asm/assembler.h"
#include "jit/kernels/conv_tile.h"
#include "jit/kernels/oconv.h"

namespace quadlane {

struct OconvTile {
  const OconvSpec& spec;
  Assembler& a;
  std::vector<Vec> acc;  // [pixel * vectors + vector]
  Gp src, dst, residual;

  Vec& at(int pixel, int vector) { return acc[static_cast<size_t>(pixel * spec.vectors() + vector)]; }
  int src_offset(int pixel) const {
    const int row = pixel / spec.columns / spec.up_y, column = pixel % spec.columns / spec.up_x;
    return static_cast<int>(row * spec.src_row + column * spec.src_pixel);
  }
};

// Vector registers that each stage needs besides the accumulators.
int oconv_reduction_registers(const OconvSpec&);
int oconv_epilogue_registers(const OconvSpec&);

// acc = bias, then all sections.
void emit_oconv_reduction(OconvTile&);
// Accumulators to stored pixels.
void emit_oconv_epilogue(OconvTile&);

}  // namespace quadlane
