// What the stages of a convolution kernel share: the registers that live across them.
#pragma once

#include <string>
#include <vector>

#include "jit/asm/assembler.h"
#include "jit/kernels/conv.h"

namespace quadlane {

struct ConvTile {
  const ConvSpec& spec;
  Assembler& a;
  int regs;               // pixel registers of a pass
  std::vector<Vec> acc;   // [o * regs + v]
  Gp src, dst, residual;  // at the pass's first pixel; the planes' offsets are added
  Gp lanes;               // at the pass's first lanes byte
  Gp passes;              // left to do

  Vec& at(int o, int v) { return acc[static_cast<size_t>(o * regs + v)]; }
};

// Vector registers that the reduction needs besides the accumulators, and those of the epilogue.
int reduction_registers(const ConvSpec&, int regs);
inline constexpr int kEpilogueRegisters = 3;

// acc = bias, then all sections.
void emit_conv_reduction(ConvTile&);

// Constants of the epilogue that come from the arguments, as full vectors in the kernel's frame: made once a call.
// `saved` is room for one register.
class ConvConstants {
 public:
  enum Name { v_lo, v_hi, out_zero, out_lo, out_hi, alpha, beta, residual_mult, residual_zero, saved, kCount };
  static int bytes(const Assembler& a) { return kCount * a.vector_bytes(); }
  // Fills the frame for results of type `dst` from the ConvEpilogue whose address is `field` bytes into the arguments.
  static void emit(Assembler&, DType dst, size_t field);
  static Xbyak::Address at(const Assembler& a, Name name) { return a.ptr[a.rsp + name * a.vector_bytes()]; }
};

// Accumulators to stored pixels.
void emit_conv_epilogue(ConvTile&);

}  // namespace quadlane
