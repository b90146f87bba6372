// The calling convention of generated elementwise kernels: one result pixel from the pixels at the same place of one or
// two operands; also copies, which is what a concat or an input that cannot share planes needs.
//
// Two forms. Flat: operands and result share their pitch; 16-pixel vectors, lanes that are no pixels become padding.
// Rows: every operand has its own pitch; w pixels of each row and the gap behind them are stored.
// The result may overwrite an operand in place when both lie at the same address with the same pitch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

namespace quadlane {

// ql.Requantize: one entry for each plane, the quad's four channels. ql.PRelu: `bias` is the multiplier below zero.
struct RequantizeChannels {
  float mult[4], bias[4], in_zero[4];
};
// f32 affine: x * mult + bias; one entry for each plane. A constant second operand: mult.
struct AffineChannel {
  float mult, bias;
  static constexpr auto kFields = std::tuple{&AffineChannel::mult, &AffineChannel::bias};
};

// Scalars of the operators; see ops/QL_OPS.md.
struct ElementwiseScalars {
  float a_mult = 0, a_zero = 0;  // ql.Add; ql.Mul: a_mult is `mult`
  float b_mult = 0, b_zero = 0;
  float v_lo = 0, v_hi = 0;  // u8: out_lo - out_zero, out_hi - out_zero; f32 clip: bounds
  int32_t out_zero = 0;
  float alpha = 0, beta = 0;  // parameters of f32 activations other than clip
  static constexpr auto kFields =
      std::tuple{&ElementwiseScalars::a_mult,   &ElementwiseScalars::a_zero, &ElementwiseScalars::b_mult,
                 &ElementwiseScalars::b_zero,   &ElementwiseScalars::v_lo,   &ElementwiseScalars::v_hi,
                 &ElementwiseScalars::out_zero, &ElementwiseScalars::alpha,  &ElementwiseScalars::beta};
};

struct ElementwiseArgs {
  const std::byte* a;       // base of a_planes: arena + image + first row or vector
  const int64_t* a_planes;  // [planes]
  int64_t a_row_bytes;      // rows form
  const std::byte* b;       // second operand; [N,C,1,1]: its only pixel
  const int64_t* b_planes;
  int64_t b_row_bytes;
  std::byte* dst;
  const int64_t* dst_planes;
  int64_t dst_row_bytes;
  const uint32_t* dst_pad;  // [planes]
  const void* params;  // RequantizeChannels[planes], AffineChannel[planes], a table of 256 bytes or four for each plane
  const ElementwiseScalars* scalars;
  const uint16_t* lanes;  // flat form: valid_lanes() from the first vector on
  int64_t planes;
  int64_t count;  // flat form: 16-pixel vectors; rows form: rows
};

}  // namespace quadlane
