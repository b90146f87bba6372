#include "tools/cli/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "engine/run/executor.h"
#include "engine/run/stream.h"
#include "engine/run/topology.h"

namespace quadlane::tools {
namespace {

// Members take the next piece in turn, so that long and short ones come out even.
class Pieces {
 public:
  Pieces(int64_t count, const std::function<void(int64_t)>& body) : count_(count), body_(body) {}
  static void work(void* self, int) { static_cast<Pieces*>(self)->take(); }
  void finish() {
    if (failed_) std::rethrow_exception(failed_);
  }

 private:
  void take() noexcept {
    for (int64_t i; (i = next_++) < count_;) try {
        body_(i);
      } catch (...) {
        std::lock_guard lock(failing_);
        failed_ = std::current_exception();
        next_ = count_;
      }
  }

  const int64_t count_;
  const std::function<void(int64_t)>& body_;
  std::atomic<int64_t> next_ = 0;
  std::mutex failing_;
  std::exception_ptr failed_;
};

}  // namespace

const ParallelFor& on_usable_processors() {
  static const int threads = run::detect_topology().usable_threads();
  static const std::unique_ptr<run::Executor> executor = run::make_executor({.threads = threads});
  static const ParallelFor parallel = [](int64_t count, const std::function<void(int64_t)>& body) {
    Pieces pieces(count, body);
    executor->run(static_cast<int>(std::min<int64_t>(threads, count)), &Pieces::work, &pieces);
    pieces.finish();
  };
  return parallel;
}

}  // namespace quadlane::tools
