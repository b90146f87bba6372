// A stream: a group of threads on one NUMA node with its own activation arena. One request at a time; open one stream
// for each request that shall run at the same time. Inside a stream the threads split every step by rows.
#pragma once

#include <atomic>
#include <chrono>

#include "engine/run/executor.h"
#include "engine/run/plan.h"

namespace quadlane::run {

struct StreamOptions {
  int threads = 1;
  int numa_node = -1;           // threads, arena and weights on this node; -1: wherever the caller runs
  std::vector<int> processors;  // bind thread t to the t-th of them, and around again; empty: bind none
  // Where several streams want the same threads, those of higher priority (1) get them before those of 0 and of -1.
  int priority = 0;
  std::shared_ptr<Executor> executor;  // provides the threads instead of oneTBB
  MemorySource memory;                 // of the arena
};

// How a run may end before its time; asked for between steps.
struct RunControl {
  const std::atomic<bool>* cancel = nullptr;
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

// Only used by instrumented runs.
struct StepObserver {
  using Time = std::chrono::steady_clock::time_point;
  virtual ~StepObserver() = default;
  // After every step, on the calling thread, with the seconds it took.
  virtual void step_done(size_t step, double seconds) noexcept = 0;
  // After every part of a step, on the thread (0 to threads - 1) that did it.
  virtual void part_done(size_t /*step*/, int /*thread*/, Time /*begin*/, Time /*end*/) noexcept {}
};

class Stream {
 public:
  static Result<Stream> open(std::shared_ptr<const Plan>, const StreamOptions& = {});
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  // Dense tensors in the plan's order and types; f16 may be given for f32, as models in f16 run in f32. With one thread
  // it never allocates; with more only the scheduler may; a tail allocates. An error means that the arguments do not
  // fit, or that an operator refused their values. For a dynamic output an empty view is given and result() holds the
  // tensor afterwards.
  Status run(std::span<const View> inputs, std::span<const MutView> outputs, StepObserver* = nullptr) noexcept;
  // The same; ends early with Code::cancelled or timed_out, after which the stream runs again as before.
  Status run(std::span<const View> inputs, std::span<const MutView> outputs, const RunControl&,
             StepObserver* = nullptr) noexcept;

  // The tensor of a dynamic output, until the next run; empty for other outputs and after a run that failed.
  Tensor result(size_t output) const;

  size_t arena_bytes() const;
  const Plan& plan() const;
  // Replaces every kernel call, see RunContext.
  void set_invoke(void (*invoke)(void* user, KernelFn, const void* args), void* user);

 private:
  struct State;
  static Result<Stream> opened(std::shared_ptr<const Plan>, const StreamOptions&);
  Status run_guarded(std::span<const View>, std::span<const MutView>, const RunControl&, StepObserver*);
  explicit Stream(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

}  // namespace quadlane::run
