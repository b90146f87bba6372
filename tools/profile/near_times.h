// What steps take in their place in a run, and what they would with their data at hand: the rest is waiting.
#pragma once

#include <vector>

#include "engine/run/plan.h"

namespace quadlane::tools {

struct NearTime {
  double in_place = 0, near = 0;  // milliseconds on one thread, the least of some runs each

  // The share of the time that the step waits for data from beyond L2, 0 to 1.
  double waiting() const { return in_place > near && in_place > 0 ? 1 - near / in_place : 0; }
};

// Runs the plan on its own memory, with inputs of zeros. A step is cut into parts whose data fill no more than half of
// L2, and of two runs of each part, one after the other, the second is `near`.
Result<std::vector<NearTime>> measure_near_times(const run::Plan&, uint32_t l2_bytes, double seconds);

}  // namespace quadlane::tools
