#include "tools/compare/crew.h"

#include <barrier>
#include <thread>

namespace quadlane::tools {

struct Crew::Shared {
  explicit Shared(std::vector<Task> all) : tasks(std::move(all)), results(tasks.size()), gate(count()) {}
  std::ptrdiff_t count() const { return static_cast<std::ptrdiff_t>(tasks.size()); }

  std::vector<Task> tasks;
  std::vector<Status> results;
  std::barrier<> gate;  // before a round and behind it
  bool closing = false;
  std::vector<std::thread> threads;
};

Crew::Crew(std::vector<Task> tasks) : shared_(std::make_unique<Shared>(std::move(tasks))) {
  Shared* s = shared_.get();
  for (size_t i = 1; i < s->tasks.size(); ++i)
    s->threads.emplace_back([s, i] {
      while (true) {
        s->gate.arrive_and_wait();
        if (s->closing) return;
        s->results[i] = s->tasks[i]();
        s->gate.arrive_and_wait();
      }
    });
}

Crew::~Crew() {
  shared_->closing = true;
  shared_->gate.arrive_and_wait();
  for (std::thread& thread : shared_->threads) thread.join();
}

Status Crew::run() {
  Shared& s = *shared_;
  s.gate.arrive_and_wait();
  s.results[0] = s.tasks[0]();
  s.gate.arrive_and_wait();
  for (Status& result : s.results)
    if (!result.ok()) return std::move(result);
  return {};
}

}  // namespace quadlane::tools
