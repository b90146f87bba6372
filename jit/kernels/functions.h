// Functions of one f32 value as code: what activations and elementwise operators compute, on one register of pixels.
//
// Every function is exact to rounding or within the error that function_constants.h states; infinities and NaN give
// what the formula gives. Their formulas are those of the ONNX operators of the same name, whose scalar references the
// tests compare with.
#pragma once

#include "jit/asm/assembler.h"
#include "jit/kernels/activation.h"

namespace quadlane {

// How many of alpha and beta it reads.
int activation_parameters(Activation);
// How many vector registers it needs beside v.
int activation_temps(Activation);

// v = f(v). `temps` are at least activation_temps() registers, whose contents are lost; alpha and beta are vector
// registers or full vectors in memory (null where the function reads none).
void emit_activation(Assembler&, Activation, const Vec& v, const std::vector<const Vec*>& temps,
                     const Xbyak::Operand* alpha, const Xbyak::Operand* beta);

}  // namespace quadlane
