// Quantization and its inverse on dense tensors: rows of elements share a scale and a zero point, or each column of a
// row has its own.
#pragma once

#include "engine/base/cpu.h"
#include "engine/base/tensor.h"
#include "engine/run/step.h"

namespace quadlane::run {

// y = saturate(zero + round_half_even(x / scale)), or x * scale of "ql.Quantize"; x f32, y u8 or s8. NaN gives zero.
// y = float(x - zero) * scale; x u8, s8 or s32.
struct GridStep final : public Step {
  Isa isa = Isa::avx2;
  DType bytes = DType::u8;  // the integer side
  bool quantize = true, divide = true, has_zero = true;
  // Element e has entry (e / inner) % entries.
  int64_t count = 0, entries = 1, inner = 1;
  DenseAddress from{}, to{}, scale{}, zero{};  // scale f32, zero of the integer's type
  static constexpr auto kFields =
      std::tuple{&GridStep::isa,      &GridStep::bytes, &GridStep::quantize, &GridStep::divide,
                 &GridStep::has_zero, &GridStep::count, &GridStep::entries,  &GridStep::inner,
                 &GridStep::from,     &GridStep::to,    &GridStep::scale,    &GridStep::zero};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
