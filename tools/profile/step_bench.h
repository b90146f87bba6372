// The steps of a plan one by one, outside a stream: on memory of their own, with inputs of zeros.
#pragma once

#include <vector>

#include "engine/run/plan.h"

namespace quadlane::tools {

class StepBench {
 public:
  // The plan must outlive it. Every page is written: pages that never were are all the same one.
  static Result<StepBench> make(const run::Plan&);
  // For a plan that differs in its code only: on the same memory, since times depend on where that lies.
  StepBench with(const run::Plan&) const;

  // Milliseconds of one part of so many of a step.
  double run(size_t step, int part = 0, int parts = 1);
  // Of all parts in turn, each behind an untimed run of its own.
  double run_near(size_t step, int parts);
  // All steps in order, which leaves the caches as an inference does.
  void run_all();

 private:
  explicit StepBench(const run::Plan& plan) : plan_(&plan) {}

  const run::Plan* plan_;
  run::AlignedBytes arena_, weights_;
  std::vector<run::AlignedBytes> tensors_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
};

}  // namespace quadlane::tools
