// Where the time of a plan goes: every step timed over some instrumented runs.
#pragma once

#include "engine/run/stream.h"

namespace quadlane::run {

struct StepTime {
  size_t step;     // index in the plan
  double seconds;  // the least of all runs: what the step takes when nothing disturbs it
  double share;    // of the sum over all steps, 0 to 1
};

// One untimed run, then `runs` timed ones; in the order of the plan. Steps of several threads are timed from the moment
// the calling thread enters them until all threads have left.
Result<std::vector<StepTime>> profile_run(Stream&, std::span<const View> inputs, std::span<const MutView> outputs,
                                          int runs = 3);

// Of these, the steps that run the scalar reference instead of a kernel, the slowest first.
std::vector<StepTime> fallbacks(const Plan&, std::span<const StepTime>);
// The sum of their shares.
double total_share(std::span<const StepTime>);

}  // namespace quadlane::run
