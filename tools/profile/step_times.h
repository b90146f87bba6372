// Times of the steps of one stream over some instrumented runs, and when each thread did which part.
#pragma once

#include <atomic>
#include <vector>

#include "engine/run/stream.h"

namespace quadlane::tools {

class StepTimes final : public run::StepObserver {
 public:
  struct Part {
    size_t step;
    int thread;
    Time begin, end;
  };

  // Room for the times of `runs` runs, and for the parts of `traced` ones.
  StepTimes(size_t steps, size_t runs, size_t traced, int threads);

  void step_done(size_t step, double seconds) noexcept override;
  void part_done(size_t step, int thread, Time begin, Time end) noexcept override;
  void run_done(double seconds);  // of the whole run

  const std::vector<double>& of_step(size_t step) const { return seconds_[step]; }
  const std::vector<double>& of_runs() const { return run_seconds_; }
  std::vector<Part> parts() const;

 private:
  std::vector<std::vector<double>> seconds_;  // [step][run]
  std::vector<double> run_seconds_;
  std::vector<Part> parts_;
  std::atomic<size_t> next_part_{0};
};

}  // namespace quadlane::tools
