// GatherElements and ScatterElements: along one axis of a dense tensor [outer, extent, inner], indices [outer, picks,
// inner] say for each line which elements are read or written. An index beyond the axis fails the run.
#pragma once

#include "engine/run/step.h"

namespace quadlane::run {

class PickElementsStep final : public Step {
 public:
  bool scatters = false;  // to = from, then to[index] = updates in order; else to = from[index]
  bool wide = true;       // s64 indices, else s32
  int64_t outer = 1, extent = 1, picks = 1, inner = 1;
  size_t element_bytes = 4;  // 4 or 8
  DenseAddress from{}, index{}, updates{}, to{};
  static constexpr auto kFields =
      std::tuple{&PickElementsStep::scatters,      &PickElementsStep::wide,  &PickElementsStep::outer,
                 &PickElementsStep::extent,        &PickElementsStep::picks, &PickElementsStep::inner,
                 &PickElementsStep::element_bytes, &PickElementsStep::from,  &PickElementsStep::index,
                 &PickElementsStep::updates,       &PickElementsStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  template <class T>
  void run_as(const RunContext&, int part, int parts) const;
};

}  // namespace quadlane::run
