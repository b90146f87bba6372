// Matrix products of integers on dense tensors, for every operator that is one: fill the struct, lower it.
//
//   sum[.., i, j] = bias[j] + sum over k of (a[.., i, k] - a_zero) * (b[.., k, j] - b_zero[j])      exact modulo 2^32
//
//   s32      y = sum
//   u8, s8   y = out_zero + round_half_even(clamp(float(sum) * mult[j], lo - out_zero, hi - out_zero))
//   f32      y = float(sum) * mult[j] + add[j]
#pragma once

#include "engine/compile/lowering.h"

namespace quadlane::compile {

struct IntegerGemm {
  ValueId a{}, b{};  // u8 or s8; [.., m, k] and [.., k, n], leading axes broadcast; a constant b is packed beforehand
  bool trans_a = false, trans_b = false;  // stored [k, m], [n, k]
  int32_t a_zero = 0;
  ValueId a_zero_value = kNoValue;         // instead of a_zero: one element of a's type, known at run time
  std::vector<int32_t> b_zero;             // none, 1 or n
  std::vector<int32_t> bias;               // none or n
  std::vector<float> mult;                 // 1 or n; not for s32
  std::vector<float> add;                  // none or n; for f32
  int32_t out_zero = 0, lo = 0, hi = 255;  // for u8 and s8
};

// Defines node.output(), whose type says what becomes of the sum.
Result<Verdict> lower_integer_gemm(Lowering&, const Node&, const IntegerGemm&);

}  // namespace quadlane::compile
