#ifdef QUADLANE_TBB
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>
#include <sched.h>

#include <utility>
#elif defined(QUADLANE_PLAIN_THREADS)
#include <thread>
#include <vector>
#endif

#include "engine/run/executor.h"
#include "engine/run/stream.h"

namespace quadlane::run {
namespace {

#ifdef QUADLANE_TBB

// Binds each thread that enters the arena to its processor and gives it back what it had there when it leaves; a
// failure leaves it where it was.
class Pinner : public tbb::task_scheduler_observer {
 public:
  Pinner(tbb::task_arena& arena, std::vector<int> processors)
      : task_scheduler_observer(arena), processors_(std::move(processors)) {
    observe(true);
  }
  ~Pinner() override { observe(false); }
  void on_scheduler_entry(bool) override {
    const int index = tbb::this_task_arena::current_thread_index();
    known_ = index >= 0 && sched_getaffinity(0, sizeof before_, &before_) == 0;
    if (!known_) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(processors_[static_cast<size_t>(index) % processors_.size()]), &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  void on_scheduler_exit(bool) override {
    if (std::exchange(known_, false)) sched_setaffinity(0, sizeof before_, &before_);
  }

 private:
  std::vector<int> processors_;
  static thread_local cpu_set_t before_;
  static thread_local bool known_;
};
thread_local cpu_set_t Pinner::before_;
thread_local bool Pinner::known_ = false;

class TbbExecutor final : public Executor {
 public:
  explicit TbbExecutor(const StreamOptions& options) : arena_(constraints(options), 1, priority(options)) {
    arena_.initialize();
    if (!options.processors.empty()) pinner_ = std::make_unique<Pinner>(arena_, options.processors);
  }
  // Where oneTBB has no memory for its tasks, the caller does what is left.
  void run(int members, Work work, void* user) noexcept override {
    try {
      arena_.execute([&] {
        tbb::parallel_for(
            0, members, [&](int member) { work(user, member); }, tbb::static_partitioner());
      });
    } catch (const std::exception&) {
      for (int member = 0; member < members; ++member) work(user, member);
    }
  }
  // The body throws nothing: what is caught is oneTBB's, before it began.
  void enter(void (*body)(void*), void* user) noexcept override {
    try {
      arena_.execute([&] { body(user); });
    } catch (const std::exception&) {
      body(user);
    }
  }

 private:
  static tbb::task_arena::constraints constraints(const StreamOptions& options) {
    tbb::task_arena::constraints where;
    // More threads than processors are served in turn: parts are claimed by whoever comes.
    where.max_concurrency = std::min(options.threads, tbb::info::default_concurrency());
    if (options.numa_node >= 0) where.numa_id = options.numa_node;
    return where;
  }
  static tbb::task_arena::priority priority(const StreamOptions& options) {
    using Priority = tbb::task_arena::priority;
    return options.priority > 0 ? Priority::high : options.priority < 0 ? Priority::low : Priority::normal;
  }
  tbb::task_arena arena_;
  std::unique_ptr<Pinner> pinner_;
};

#elif defined(QUADLANE_PLAIN_THREADS)

// A thread for each member of each run: slow, and every synchronization is seen by ThreadSanitizer, which oneTBB's is
// not.
class PlainThreads final : public Executor {
 public:
  void run(int members, Work work, void* user) noexcept override {
    std::vector<std::thread> others;
    for (int member = 1; member < members; ++member) others.emplace_back(work, user, member);
    work(user, 0);
    for (std::thread& other : others) other.join();
  }
};

#else

class CallingThread final : public Executor {
 public:
  void run(int members, Work work, void* user) noexcept override {
    for (int member = 0; member < members; ++member) work(user, member);
  }
};

#endif

}  // namespace

#ifdef QUADLANE_TBB
std::unique_ptr<Executor> make_executor(const StreamOptions& options) { return std::make_unique<TbbExecutor>(options); }
#elif defined(QUADLANE_PLAIN_THREADS)
std::unique_ptr<Executor> make_executor(const StreamOptions&) { return std::make_unique<PlainThreads>(); }
#else
std::unique_ptr<Executor> make_executor(const StreamOptions&) { return std::make_unique<CallingThread>(); }
#endif

}  // namespace quadlane::run
