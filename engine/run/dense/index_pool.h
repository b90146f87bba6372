// MaxPool of dense f32 images that also says where each largest pixel is: its index in the whole tensor, the first of
// equal ones. A NaN is where it stands first and nowhere else; a window that reads nothing has index -1.
#pragma once

#include <array>

#include "engine/base/cpu.h"
#include "engine/run/dense/window_axis.h"
#include "engine/run/step.h"

namespace quadlane::run {

class IndexPoolStep final : public Step {
 public:
  static constexpr int64_t kMostTaps = 4096;  // of a window along an axis: each is looked at, inside the image or not
  Isa isa = Isa::avx2;
  int64_t planes = 1;
  std::array<WindowAxis, 2> axes{};  // rows, columns
  DenseAddress from{}, to{}, indices{};
  static constexpr auto kFields = std::tuple{&IndexPoolStep::isa,  &IndexPoolStep::planes, &IndexPoolStep::axes,
                                             &IndexPoolStep::from, &IndexPoolStep::to,     &IndexPoolStep::indices};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
