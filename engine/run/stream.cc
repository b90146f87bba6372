#include "engine/run/stream.h"

#include <xmmintrin.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "engine/base/guard.h"
#include "engine/run/executor.h"
#include "engine/run/half_tensors.h"

namespace quadlane::run {
namespace {

// Kernels round to nearest-even and need no denormals kept apart; whatever mode the caller set is restored.
class FloatMode {
 public:
  FloatMode() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~FloatMode() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
};

// Progress of one step: parts are claimed, by preference the part of one's own number, so that a run completes with
// however many threads the scheduler provides, and the same thread meets the same rows again.
struct StepProgress {
  std::atomic<int> done{0};  // parts
};

// Whether a run shall end early; any of its threads may find out.
class Stop {
 public:
  explicit Stop(const RunControl& control) : control_(control) {}
  bool asked() {
    if (reason_.load(std::memory_order_relaxed) != Code{}) return true;
    if (control_.cancel && control_.cancel->load(std::memory_order_relaxed))
      reason_ = Code::cancelled;
    else if (control_.deadline && std::chrono::steady_clock::now() >= *control_.deadline)
      reason_ = Code::timed_out;
    return reason_.load(std::memory_order_relaxed) != Code{};
  }
  Status status() const {
    const Code reason = reason_;
    if (reason == Code::cancelled) return make_error(reason, "the run was cancelled");
    if (reason == Code::timed_out) return make_error(reason, "the run took longer than it may");
    return {};
  }

 private:
  const RunControl& control_;
  std::atomic<Code> reason_{};
};

}  // namespace

struct Stream::State {
  std::shared_ptr<const Plan> plan;
  StreamOptions options;
  AlignedBytes arena;
  const std::byte* weights = nullptr;
  std::shared_ptr<Executor> workers;  // null: the calling thread alone
  std::unique_ptr<StepProgress[]> progress;
  std::unique_ptr<std::atomic<bool>[]> taken;  // [step * threads + part]
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  AlignedBytes for_tail;  // the values that only the tail reads
  std::vector<size_t> for_tail_offsets;
  TailResult tail;
  HalfTensors half_inputs, half_outputs;
  void (*invoke)(void*, KernelFn, const void*) = nullptr;
  void* invoke_user = nullptr;

  Status place();
  template <class Body>
  void inside(Body body) {  // where the worker threads are, if there are some
    if (!workers) return body();
    workers->enter([](void* b) { (*static_cast<Body*>(b))(); }, &body);
  }
  Status check(std::span<const View>, std::span<const MutView>) const;
  Status place(std::span<const View>, std::span<const MutView>);
  void run_steps(const RunContext&, int member, StepObserver*, Stop&) noexcept;
  void run_alone(const RunContext&, StepObserver*, Stop&) noexcept;
};

Result<Stream> Stream::open(std::shared_ptr<const Plan> plan, const StreamOptions& options) {
  return guarded([&] { return opened(std::move(plan), options); });
}

Result<Stream> Stream::opened(std::shared_ptr<const Plan> plan, const StreamOptions& options) {
  if (options.threads < 1 || options.threads > 1024)
    return invalid_argument("a stream of ", options.threads, " threads, expected 1 to 1024");
  if (options.priority < -1 || options.priority > 1)
    return invalid_argument("a priority of ", options.priority, ", expected -1 to 1");
  if (plan->without_code) return unsupported("the plan's kernels have no code (", plan->code_method, ")");
  auto state = std::make_unique<State>();
  state->options = options;
  state->inputs.resize(plan->inputs.size());
  state->outputs.resize(plan->before_tail.empty() ? plan->outputs.size() : plan->before_tail.size());
  state->plan = std::move(plan);
  const size_t threads = static_cast<size_t>(options.threads), steps = state->plan->steps.size();
  if (threads > 1) {
    state->progress = std::make_unique<StepProgress[]>(steps);
    state->taken = std::make_unique<std::atomic<bool>[]>(steps * threads);
  }
  if (threads > 1 || !options.processors.empty() || options.numa_node >= 0) {
    state->workers = options.executor ? options.executor : std::shared_ptr<Executor>(make_executor(options));
  }
  // Memory is touched first where the stream will run.
  Status placed;
  state->inside([&] { placed = guarded([&] { return state->place(); }); });
  if (!placed.ok()) return std::move(placed).error();
  return Stream(std::move(state));
}

Status Stream::State::place() {
  QL_TRY(arena, AlignedBytes::allocate(plan->arena_bytes, options.memory));
  size_t bytes = 0;
  for (const TailInput& value : plan->before_tail) {
    for_tail_offsets.push_back(bytes);
    if (!value.output) bytes += (value.type.bytes() + 63) / 64 * 64;
  }
  if (bytes) {
    QL_TRY(for_tail, AlignedBytes::allocate(bytes, options.memory));
  }
  weights = plan->weights.data();
  if (options.numa_node >= 0) {
    QL_TRY(weights, plan->node_weights->on_node(options.numa_node, plan->weights));
  }
  return {};
}

Stream::Stream(std::unique_ptr<State> state) : state_(std::move(state)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

Tensor Stream::result(size_t output) const {
  const std::vector<Tensor>& all = state_->tail.outputs;
  return output < all.size() ? all[output] : Tensor();
}

size_t Stream::arena_bytes() const { return state_->plan->arena_bytes; }
const Plan& Stream::plan() const { return *state_->plan; }
void Stream::set_invoke(void (*invoke)(void*, KernelFn, const void*), void* user) {
  state_->invoke = invoke;
  state_->invoke_user = user;
}

Status Stream::State::check(std::span<const View> in, std::span<const MutView> out) const {
  if (in.size() != plan->inputs.size())
    return invalid_argument(in.size(), " inputs given, the model has ", plan->inputs.size());
  if (out.size() != plan->outputs.size())
    return invalid_argument(out.size(), " outputs given, the model has ", plan->outputs.size());
  for (size_t i = 0; i < in.size(); ++i)
    if (!HalfTensors::fits(*in[i].type, plan->inputs[i].type))
      return invalid_argument("input '", plan->inputs[i].name, "' is ", to_string(*in[i].type), ", expected ",
                              to_string(plan->inputs[i].type));
  for (size_t i = 0; i < out.size(); ++i)
    if (!plan->outputs[i].dynamic && !HalfTensors::fits(*out[i].type, plan->outputs[i].type))
      return invalid_argument("output '", plan->outputs[i].name, "' is ", to_string(*out[i].type), ", expected ",
                              to_string(plan->outputs[i].type));
  return {};
}

// Where the steps find and leave the caller's tensors.
Status Stream::State::place(std::span<const View> in, std::span<const MutView> out) {
  for (size_t i = 0; i < in.size(); ++i) {
    QL_TRY(inputs[i], half_inputs.widened(i, in[i]));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::optional<size_t> output = plan->before_tail.empty() ? i : plan->before_tail[i].output;
    if (!output) {
      outputs[i] = for_tail.data() + for_tail_offsets[i];
      continue;
    }
    QL_TRY(outputs[i], half_outputs.room(*output, out[*output]));
  }
  return {};
}

void Stream::State::run_alone(const RunContext& ctx, StepObserver* observer, Stop& stop) noexcept {
  using Clock = std::chrono::steady_clock;
  for (size_t s = 0; s < plan->steps.size(); ++s) {
    if (stop.asked()) return;
    if (!observer) {
      plan->steps[s]->run(ctx, 0, 1);
      continue;
    }
    const auto start = Clock::now();
    plan->steps[s]->run(ctx, 0, 1);
    const auto end = Clock::now();
    observer->part_done(s, 0, start, end);
    observer->step_done(s, std::chrono::duration<double>(end - start).count());
  }
}

void Stream::State::run_steps(const RunContext& ctx, int member, StepObserver* observer, Stop& stop) noexcept {
  using Clock = std::chrono::steady_clock;
  FloatMode mode;
  const int parts = options.threads;
  auto start = Clock::now();
  for (size_t s = 0; s < plan->steps.size(); ++s) {
    const Step& step = *plan->steps[s];
    StepProgress& p = progress[s];
    auto try_part = [&](int part) {
      if (taken[s * static_cast<size_t>(parts) + static_cast<size_t>(part)].exchange(true, std::memory_order_relaxed))
        return;
      const auto begin = observer ? Clock::now() : Clock::time_point();
      if (!stop.asked()) step.run(ctx, part, parts);  // a part that is given up is done, too: nobody waits for it
      if (observer) observer->part_done(s, member, begin, Clock::now());
      p.done.fetch_add(1, std::memory_order_release);
    };
    try_part(member);
    // Whatever nobody has come for is done by whoever is here.
    for (int i = 1; i < parts && p.done.load(std::memory_order_relaxed) < parts; ++i) try_part((member + i) % parts);
    for (int spins = 0; p.done.load(std::memory_order_acquire) < parts; ++spins) {
      if (spins < 4096)
        _mm_pause();
      else
        std::this_thread::yield();
    }
    if (observer && member == 0) {
      auto now = Clock::now();
      observer->step_done(s, std::chrono::duration<double>(now - start).count());
      start = now;
    }
  }
}

Status Stream::run(std::span<const View> in, std::span<const MutView> out, StepObserver* observer) noexcept {
  return run(in, out, RunControl{}, observer);
}

Status Stream::run(std::span<const View> in, std::span<const MutView> out, const RunControl& control,
                   StepObserver* observer) noexcept {
  return guarded([&] { return run_guarded(in, out, control, observer); });
}

Status Stream::run_guarded(std::span<const View> in, std::span<const MutView> out, const RunControl& control,
                           StepObserver* observer) {
  State& s = *state_;
  QL_CHECK_OK(s.check(in, out));
  QL_CHECK_OK(s.place(in, out));
  s.tail = {};
  Refusal refusal;
  RunContext ctx{s.arena.data(), s.weights, s.inputs, s.outputs, s.invoke, s.invoke_user, &refusal, &s.tail};
  Stop stop(control);
  auto outcome = [&]() -> Status {
    if (Status stopped = stop.status(); !stopped.ok()) return stopped;
    if (s.tail.error) return *std::exchange(s.tail.error, {});
    QL_CHECK_OK(refusal.take());
    for (size_t i = 0; i < out.size(); ++i) s.half_outputs.narrow(i, out[i]);
    return {};
  };
  if (s.options.threads == 1) {
    s.inside([&] {
      FloatMode mode;
      s.run_alone(ctx, observer, stop);
    });
    return outcome();
  }
  const size_t threads = static_cast<size_t>(s.options.threads), steps = s.plan->steps.size();
  for (size_t i = 0; i < steps; ++i) s.progress[i].done.store(0, std::memory_order_relaxed);
  for (size_t i = 0; i < steps * threads; ++i) s.taken[i].store(false, std::memory_order_relaxed);
  auto member_work = [&](int member) { s.run_steps(ctx, member, observer, stop); };
  using Member = decltype(member_work);
  s.workers->run(
      s.options.threads, [](void* work, int member) { (*static_cast<Member*>(work))(member); }, &member_work);
  return outcome();
}

}  // namespace quadlane::run
