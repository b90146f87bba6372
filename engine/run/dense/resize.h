// One axis of a dense f32 tensor resized by a table: result j is the sum over `taps` entries of weight * x[index].
//
// The tensor is seen as [outer, in, inner]. Entry t of result j stands at t * out + j of both tables, so that results
// are neighbours where inner is 1; else whole rows of inner elements are summed.
#pragma once

#include "engine/base/cpu.h"
#include "engine/run/step.h"

namespace quadlane::run {

class AxisResizeStep final : public Step {
 public:
  Isa isa = Isa::avx2;
  int64_t outer = 1, in = 1, out = 1, inner = 1, taps = 1;
  DenseAddress from{}, index{}, weight{}, to{};  // s32 and f32 tables
  static constexpr auto kFields =
      std::tuple{&AxisResizeStep::isa,    &AxisResizeStep::outer, &AxisResizeStep::in,   &AxisResizeStep::out,
                 &AxisResizeStep::inner,  &AxisResizeStep::taps,  &AxisResizeStep::from, &AxisResizeStep::index,
                 &AxisResizeStep::weight, &AxisResizeStep::to};
  void check(Checker&) const;
  // Indices are not beyond the axis: they come from the plan's weights, and are clamped all the same.
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
