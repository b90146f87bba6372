// Elementwise kernels: one result pixel from the pixels at the same place; arguments in engine/base/abi/elementwise.h.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/abi/elementwise.h"
#include "jit/kernels/pixel_rows.h"

namespace quadlane {

// Formulas of the u8 operators: ops/QL_OPS.md. `_channels`: the second operand is [N,C,1,1].
enum class ElementwiseOp : uint8_t {
  copy,               // any pixels; also gives a plane another padding or pitch
  requantize,         // u8
  requantize_folded,  // u8, parameters of fold_requantize()
  lut,                // u8
  add_u8,
  mul_u8,
  mul_u8_channels,
  add_f32,  // f32: activation(a op b)
  sub_f32,
  mul_f32,
  div_f32,
  min_f32,
  max_f32,
  mul_f32_channels,
  affine_f32,   // f32: activation(a * mult + bias), rounded twice
  sigmoid_f32,  // 1 / (1 + exp(-a)), within 4 units of the last place; no activation
};
const char* to_string(ElementwiseOp);

// Of f32 results. clip = min(max(v, v_lo), v_hi); leaky = v < 0 ? v * alpha : v.
enum class Activation : uint8_t { none, clip, leaky };
const char* to_string(Activation);

struct ElementwiseSpec {
  Isa isa = Isa::avx2;
  ElementwiseOp op = ElementwiseOp::copy;
  Activation act = Activation::none;
  RowShape row;  // w 0: flat form
  bool flat() const { return row.w == 0; }
  auto operator<=>(const ElementwiseSpec&) const = default;
};
std::string describe(const ElementwiseSpec&);
Result<MachineCode> generate(const ElementwiseSpec&, const GenerateOptions& = {});

// The table of ql.Lut as the kernel reads it.
std::array<uint8_t, 256> pack_lut(std::span<const uint8_t, 256> table);

// Requantization in half the instructions: y = clamp(round_half_even(fma(x, mult, bias)), lo, hi), the zero points
// folded into the bias. That rounds differently, so it is taken only where all 256 values of all channels are proved,
// by trying them, to give the byte that ql.Requantize defines; else there is no value.
std::optional<std::vector<RequantizeChannels>> fold_requantize(std::span<const RequantizeChannels>,
                                                               const ElementwiseScalars&);

}  // namespace quadlane
