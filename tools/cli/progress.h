// A progress line on stderr for work of over two seconds: done/total, rate, time left. Silent when stderr is no
// terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace quadlane::tools {

class Progress {
 public:
  // `total` in units of `unit`, as in "240 slices"; a total of 0 shows the count only.
  Progress(std::string label, int64_t total, std::string unit);
  ~Progress();  // clears the line
  Progress(const Progress&) = delete;

  void advance(int64_t by = 1);  // from any thread
  void set(int64_t done);

 private:
  void show(int64_t done);

  using Clock = std::chrono::steady_clock;
  std::string label_, unit_;
  int64_t total_, done_ = 0;
  Clock::time_point start_, shown_;
  bool terminal_, visible_ = false;
  std::mutex mutex_;
};

}  // namespace quadlane::tools
