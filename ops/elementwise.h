// The parts of append_elementwise_ops, one file each.
#pragma once

#include "ops/defs.h"

namespace quadlane {

void append_unary_ops(std::vector<OpDef>&);       // Exp, Sqrt, Abs, Not, ...
void append_activation_ops(std::vector<OpDef>&);  // Relu, Sigmoid, Gelu, ..., Clip, PRelu
void append_arithmetic_ops(std::vector<OpDef>&);  // Add, Sub, Mul, Div, Mod, Pow
void append_variadic_ops(std::vector<OpDef>&);    // Min, Max, Sum, Mean
void append_compare_ops(std::vector<OpDef>&);     // Equal, Less, ..., And, Or, Xor, Where
void append_cast_ops(std::vector<OpDef>&);        // Cast, CastLike
void append_bit_ops(std::vector<OpDef>&);         // BitwiseAnd, BitShift, ...
void append_classify_ops(std::vector<OpDef>&);    // IsNaN, IsInf

}  // namespace quadlane
