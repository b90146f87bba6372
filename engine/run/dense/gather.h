// Gather: slabs of a dense tensor picked by indices along one axis, which count from the end when negative.
#pragma once

#include "engine/run/step.h"

namespace quadlane::run {

class GatherStep final : public Step {
 public:
  int64_t outer = 1, extent = 1, indices = 1;
  size_t slab_bytes = 0;
  bool wide = true;  // s64 indices, else s32
  DenseAddress from{}, index{}, to{};
  // An index beyond the axis fails the run.
  static constexpr auto kFields =
      std::tuple{&GatherStep::outer, &GatherStep::extent, &GatherStep::indices, &GatherStep::slab_bytes,
                 &GatherStep::wide,  &GatherStep::from,   &GatherStep::index,   &GatherStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
