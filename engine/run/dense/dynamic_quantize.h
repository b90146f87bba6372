// DynamicQuantizeLinear on dense tensors: the range of chunks, then (DynamicScaleStep in between) the quantization.
#pragma once

#include "engine/base/cpu.h"
#include "engine/run/step.h"

namespace quadlane::run {

// ranges[chunk] = the least and the largest value of chunk `chunk` of `chunks` equal ones, 0 included.
class DenseRangeStep final : public Step {
 public:
  Isa isa = Isa::avx2;
  DenseAddress x, ranges;  // f32 [count], f32 [chunks][2]
  int64_t count = 0, chunks = 1;
  static constexpr auto kFields = std::tuple{&DenseRangeStep::isa, &DenseRangeStep::x, &DenseRangeStep::ranges,
                                             &DenseRangeStep::count, &DenseRangeStep::chunks};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// y = zero + round_half_even(clamp(x / scale, -zero, 255 - zero)); NaN becomes zero.
class DenseDynamicQuantizeStep final : public Step {
 public:
  Isa isa = Isa::avx2;
  DenseAddress x, scale, zero, y;  // f32 [count], f32 and u8 of one element, u8 [count]
  int64_t count = 0;
  static constexpr auto kFields =
      std::tuple{&DenseDynamicQuantizeStep::isa,  &DenseDynamicQuantizeStep::x, &DenseDynamicQuantizeStep::scale,
                 &DenseDynamicQuantizeStep::zero, &DenseDynamicQuantizeStep::y, &DenseDynamicQuantizeStep::count};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
