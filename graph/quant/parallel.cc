#include "graph/quant/parallel.h"

#ifdef QUADLANE_TBB
#include <oneapi/tbb/parallel_for.h>
#elif defined(QUADLANE_PLAIN_THREADS)
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>
#endif

namespace quadlane {

#ifdef QUADLANE_TBB

void parallel_for(int64_t count, const std::function<void(int64_t)>& body) {
  tbb::parallel_for(int64_t{0}, count, body);
}

#elif defined(QUADLANE_PLAIN_THREADS)

void parallel_for(int64_t count, const std::function<void(int64_t)>& body) {
  std::atomic<int64_t> next = 0;
  std::exception_ptr failed;
  std::mutex failing;
  auto work = [&] {
    for (int64_t i; (i = next++) < count;) try {
        body(i);
      } catch (...) {
        std::lock_guard lock(failing);
        failed = std::current_exception();
        next = count;
      }
  };
  std::vector<std::thread> others;
  const int64_t threads = std::min<int64_t>(count, std::thread::hardware_concurrency());
  for (int64_t t = 1; t < threads; ++t) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  if (failed) std::rethrow_exception(failed);
}

#else

void parallel_for(int64_t count, const std::function<void(int64_t)>& body) {
  for (int64_t i = 0; i < count; ++i) body(i);
}

#endif

}  // namespace quadlane
