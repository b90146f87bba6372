#include "tools/profile/near_times.h"

#include <algorithm>
#include <chrono>

#include "tools/profile/step_bench.h"

namespace quadlane::tools {

Result<std::vector<NearTime>> measure_near_times(const run::Plan& plan, uint32_t l2_bytes, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kLeastRounds = 5, kMostRounds = 100;
  QL_TRY(StepBench bench, StepBench::make(plan));
  std::vector<NearTime> times(plan.steps.size(), NearTime{1e30, 1e30});
  const Clock::time_point start = Clock::now();
  for (size_t round = 0; round < kMostRounds; ++round) {
    if (round >= kLeastRounds && std::chrono::duration<double>(Clock::now() - start).count() > seconds) break;
    bench.run_all();
    for (size_t s = 0; s < times.size(); ++s) times[s].in_place = std::min(times[s].in_place, bench.run(s));
    for (size_t s = 0; s < times.size(); ++s) {
      const run::StepInfo& info = plan.steps[s]->info;
      const int64_t half = std::max<int64_t>(1, l2_bytes / 2), bytes = info.bytes_read + info.bytes_written;
      const int64_t parts = std::max<int64_t>(1, (bytes + half - 1) / half);
      times[s].near = std::min(times[s].near, bench.run_near(s, static_cast<int>(parts)));
    }
  }
  return times;
}

}  // namespace quadlane::tools
