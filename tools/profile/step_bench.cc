#include "tools/profile/step_bench.h"

#include <chrono>
#include <cstring>

namespace quadlane::tools {
namespace {

Result<run::AlignedBytes> zeros(size_t bytes) {
  QL_TRY(run::AlignedBytes memory, run::AlignedBytes::allocate(bytes));
  if (bytes) std::memset(memory.data(), 0, bytes);
  return memory;
}

}  // namespace

Result<StepBench> StepBench::make(const run::Plan& plan) {
  StepBench bench(plan);
  QL_TRY(bench.arena_, zeros(plan.arena_bytes));
  bench.weights_ = plan.weights;
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

StepBench StepBench::with(const run::Plan& plan) const {
  StepBench other = *this;
  other.plan_ = &plan;
  return other;
}

double StepBench::run(size_t step, int part, int parts) {
  using Clock = std::chrono::steady_clock;
  run::TailResult tail;
  run::RunContext context{arena_.data(), weights_.data(), inputs_, outputs_};
  context.tail = &tail;
  const Clock::time_point start = Clock::now();
  plan_->steps[step]->run(context, part, parts);
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double StepBench::run_near(size_t step, int parts) {
  double sum = 0;
  for (int part = 0; part < parts; ++part) {
    run(step, part, parts);
    sum += run(step, part, parts);
  }
  return sum;
}

void StepBench::run_all() {
  for (size_t s = 0; s < plan_->steps.size(); ++s) run(s);
}

}  // namespace quadlane::tools
