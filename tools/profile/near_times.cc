#include "tools/profile/near_times.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace quadlane::tools {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kLeastRounds = 5, kMostRounds = 100;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// A plan's memory, every page of it written: pages that never were are all the same one.
class Bench {
 public:
  static Result<Bench> make(const run::Plan& plan) {
    Bench bench(plan);
    QL_TRY(bench.arena_, zeros(plan.arena_bytes));
    auto add = [&](const TensorType& type, auto& pointers) -> Status {
      QL_TRY(run::AlignedBytes bytes, zeros(type.bytes()));
      pointers.push_back(bytes.data());
      bench.tensors_.push_back(std::move(bytes));
      return {};
    };
    for (const run::TensorInfo& input : plan.inputs) QL_CHECK_OK(add(input.type, bench.inputs_));
    for (const run::TailInput& value : plan.before_tail) QL_CHECK_OK(add(value.type, bench.outputs_));
    if (plan.before_tail.empty())
      for (const run::TensorInfo& output : plan.outputs) QL_CHECK_OK(add(output.type, bench.outputs_));
    return bench;
  }

  double run(size_t step, int part, int parts) {
    run::TailResult tail;
    run::RunContext context{arena_.data(), plan_->weights.data(), inputs_, outputs_};
    context.tail = &tail;
    const Clock::time_point start = Clock::now();
    plan_->steps[step]->run(context, part, parts);
    return milliseconds_since(start);
  }

  double run_near(size_t step, int parts) {
    double sum = 0;
    for (int part = 0; part < parts; ++part) {
      run(step, part, parts);
      sum += run(step, part, parts);
    }
    return sum;
  }

 private:
  explicit Bench(const run::Plan& plan) : plan_(&plan) {}
  static Result<run::AlignedBytes> zeros(size_t bytes) {
    QL_TRY(run::AlignedBytes memory, run::AlignedBytes::allocate(bytes));
    if (bytes) std::memset(memory.data(), 0, bytes);
    return memory;
  }

  const run::Plan* plan_;
  run::AlignedBytes arena_;
  std::vector<run::AlignedBytes> tensors_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
};

}  // namespace

Result<std::vector<NearTime>> measure_near_times(const run::Plan& plan, uint32_t l2_bytes, double seconds) {
  QL_TRY(Bench bench, Bench::make(plan));
  std::vector<NearTime> times(plan.steps.size(), NearTime{1e30, 1e30});
  const Clock::time_point start = Clock::now();
  for (size_t round = 0; round < kMostRounds; ++round) {
    if (round >= kLeastRounds && milliseconds_since(start) > 1e3 * seconds) break;
    for (size_t s = 0; s < times.size(); ++s) bench.run(s, 0, 1);  // leaves the caches as a run does
    for (size_t s = 0; s < times.size(); ++s) times[s].in_place = std::min(times[s].in_place, bench.run(s, 0, 1));
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
