// Who provides the threads of a stream: oneTBB, the embedder, or nobody.
#pragma once

#include <memory>

#include "engine/base/status.h"

namespace quadlane::run {

struct StreamOptions;

class Executor {
 public:
  using Work = void (*)(void* user, int member);
  virtual ~Executor() = default;
  // Calls work(user, m) once for each m of 0 to members - 1 and returns when all calls have. They need not run at the
  // same time: whoever comes first does the work of those who have not come. member 0 on the calling thread.
  virtual void run(int members, Work work, void* user) noexcept = 0;
  // Runs once where the stream will run, so that memory is touched there first.
  virtual void enter(void (*body)(void*), void* user) noexcept { body(user); }
};

// Of the threads, node and cores that the options name. Without oneTBB (QUADLANE_THREADS=none) the calling thread does
// everything.
std::unique_ptr<Executor> make_executor(const StreamOptions&);

}  // namespace quadlane::run
