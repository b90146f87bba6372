#include "tools/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace quadlane::tools {
namespace {

constexpr auto kPatience = std::chrono::milliseconds(700);  // nothing flashes up for what is done sooner
constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr int kBarWidth = 24;

}  // namespace

Progress::Progress(std::string label, int64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      start_(Clock::now()),
      shown_(start_),
      terminal_(::isatty(STDERR_FILENO)) {}

Progress::~Progress() {
  if (visible_) std::fputs("\r\033[K", stderr);
}

void Progress::advance(int64_t by) {
  std::lock_guard lock(mutex_);
  show(done_ + by);
}

void Progress::set(int64_t done) {
  std::lock_guard lock(mutex_);
  show(done);
}

void Progress::show(int64_t done) {
  done_ = done;
  auto now = Clock::now();
  if (!terminal_ || now - start_ < kPatience || now - shown_ < kInterval) return;
  shown_ = now;
  visible_ = true;
  double seconds = std::chrono::duration<double>(now - start_).count(), rate = static_cast<double>(done) / seconds;
  if (total_ <= 0) {
    std::fprintf(stderr, "\r\033[K%s  %lld %s, %.0f s", label_.c_str(), static_cast<long long>(done), unit_.c_str(),
                 seconds);
  } else {
    double share = std::clamp(static_cast<double>(done) / static_cast<double>(total_), 0.0, 1.0);
    int filled = static_cast<int>(share * kBarWidth);
    std::string bar(static_cast<size_t>(filled), '#');
    bar.resize(kBarWidth, '.');
    double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
    std::fprintf(stderr, "\r\033[K%s [%s] %lld/%lld %s, %.1f/s, %.0f s left", label_.c_str(), bar.c_str(),
                 static_cast<long long>(done), static_cast<long long>(total_), unit_.c_str(), rate,
                 std::max(left, 0.0));
  }
  std::fflush(stderr);
}

}  // namespace quadlane::tools
