#include "engine/run/profile.h"

#include <algorithm>

namespace quadlane::run {
namespace {

struct Fastest : StepObserver {
  explicit Fastest(std::vector<StepTime>& times) : times(times) {}
  void step_done(size_t step, double seconds) noexcept override {
    times[step].seconds = std::min(times[step].seconds, seconds);
  }
  std::vector<StepTime>& times;
};

}  // namespace

Result<std::vector<StepTime>> profile_run(Stream& stream, std::span<const View> inputs,
                                          std::span<const MutView> outputs, int runs) {
  if (runs < 1) return invalid_argument(runs, " timed runs are asked for, expected at least 1");
  std::vector<StepTime> times(stream.plan().steps.size());
  for (size_t i = 0; i < times.size(); ++i) times[i] = {i, 1e30, 0};
  QL_CHECK_OK(stream.run(inputs, outputs));
  Fastest observer(times);
  for (int i = 0; i < runs; ++i) QL_CHECK_OK(stream.run(inputs, outputs, &observer));
  double sum = 0;
  for (const StepTime& time : times) sum += time.seconds;
  for (StepTime& time : times) time.share = sum > 0 ? time.seconds / sum : 0;
  return times;
}

std::vector<StepTime> fallbacks(const Plan& plan, std::span<const StepTime> times) {
  std::vector<StepTime> slow;
  for (const StepTime& time : times)
    if (plan.steps[time.step]->info.reference) slow.push_back(time);
  std::sort(slow.begin(), slow.end(), [](const StepTime& a, const StepTime& b) { return a.seconds > b.seconds; });
  return slow;
}

double total_share(std::span<const StepTime> times) {
  double sum = 0;
  for (const StepTime& time : times) sum += time.share;
  return sum;
}

}  // namespace quadlane::run
