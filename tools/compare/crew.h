// Threads that each do one thing at the same time, again and again: a request on every stream of an engine.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/base/status.h"

namespace quadlane::tools {

class Crew {
 public:
  using Task = std::function<Status()>;
  // The first task runs on the caller's thread, each other one on a thread of its own that lasts as long as the crew.
  explicit Crew(std::vector<Task> tasks);
  ~Crew();
  Crew(const Crew&) = delete;

  // All tasks at once; the first error in their order.
  Status run();

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

}  // namespace quadlane::tools
