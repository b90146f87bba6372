#include "tools/profile/step_times.h"

namespace quadlane::tools {

StepTimes::StepTimes(size_t steps, size_t runs, size_t traced, int threads)
    : seconds_(steps), parts_(steps * traced * static_cast<size_t>(threads)) {
  for (auto& of_step : seconds_) of_step.reserve(runs);  // nothing is allocated while the clock runs
  run_seconds_.reserve(runs);
}

void StepTimes::step_done(size_t step, double seconds) noexcept {
  if (seconds_[step].size() < seconds_[step].capacity()) seconds_[step].push_back(seconds);
}

void StepTimes::part_done(size_t step, int thread, Time begin, Time end) noexcept {
  const size_t place = next_part_.fetch_add(1, std::memory_order_relaxed);
  if (place < parts_.size()) parts_[place] = {step, thread, begin, end};
}

void StepTimes::run_done(double seconds) { run_seconds_.push_back(seconds); }

std::vector<StepTimes::Part> StepTimes::parts() const {
  const size_t count = std::min(parts_.size(), next_part_.load());
  return {parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace quadlane::tools
