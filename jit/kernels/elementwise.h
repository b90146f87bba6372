// Elementwise kernels: one result pixel from the pixels at the same place; arguments in engine/base/abi/elementwise.h.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/abi/elementwise.h"
#include "jit/kernels/functions.h"
#include "jit/kernels/pixel_rows.h"
#include "jit/kernels/rounding.h"

namespace quadlane {

// Formulas of the u8 operators: ops/QL_OPS.md.
enum class ElementwiseOp : uint8_t {
  copy,               // any pixels; also gives a plane another padding or pitch
  requantize,         // u8
  requantize_folded,  // u8, parameters of fold_requantize()
  prelu_u8,           // u8: ql.PRelu
  lut,                // u8, pack_lut()
  lut_vbmi,           // u8, the 256 bytes as they are: AVX-512 with VBMI
  lut_channels,       // u8, for each plane the tables of its four channels, pack_luts()
  lut_channels_vbmi,  // the same, as they are
  add_u8,
  mul_u8,
  unary_f32,  // f32: activation(a)
  add_f32,    // f32: activation(a op b)
  sub_f32,
  mul_f32,
  div_f32,
  min_f32,
  max_f32,
  prelu_f32,   // a < 0 ? a * b : a
  affine_f32,  // f32: activation(a * mult + bias), rounded twice
};
const char* to_string(ElementwiseOp);
bool is_f32(ElementwiseOp);

// Where the second operand of an operator of two comes from.
enum class Second : uint8_t {
  planes,   // as many pixels as the first
  pixel,    // one pixel for each plane: [N,C,1,1]
  channel,  // f32: a constant for each plane, AffineChannel::mult
};

// u8: what is known of the scalars and parameters of all calls (facts_of).
struct ScalarFacts {
  RoundingFacts rounding;
  bool no_a_zero = false, no_b_zero = false;  // a zero point is 0, as behind a ReLU
  auto operator<=>(const ScalarFacts&) const = default;
};
ScalarFacts facts_of(ElementwiseOp, const ElementwiseScalars&, std::span<const RequantizeChannels> = {});

struct ElementwiseSpec {
  Isa isa = Isa::avx2;
  ElementwiseOp op = ElementwiseOp::copy;
  Activation act = Activation::none;
  RowShape row;  // w 0: flat form
  Second second = Second::planes;
  bool reversed = false;  // f32: b op a
  ScalarFacts facts{};    // u8
  bool flat() const { return row.w == 0; }
  auto operator<=>(const ElementwiseSpec&) const = default;
};
std::string describe(const ElementwiseSpec&);
Result<MachineCode> generate(const ElementwiseSpec&, const GenerateOptions& = {});

// The table of ql.Lut as the kernel reads it.
std::array<uint8_t, 256> pack_lut(std::span<const uint8_t, 256> table);
// The tables of a plane's channels, for the instruction set whose kernel reads them.
std::array<uint8_t, 1024> pack_luts(const std::array<std::span<const uint8_t, 256>, 4>& tables, Isa);

// Requantization in half the instructions: y = clamp(round_half_even(fma(x, mult, bias)), lo, hi), the zero points
// folded into the bias. That rounds differently, so it is taken only where all 256 values of all channels are proved,
// by trying them, to give the byte that ql.Requantize defines; else there is no value.
std::optional<std::vector<RequantizeChannels>> fold_requantize(std::span<const RequantizeChannels>,
                                                               const ElementwiseScalars&);

}  // namespace quadlane
