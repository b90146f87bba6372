#include "tools/measure/counters.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace quadlane::measure {
namespace {

struct Event {
  const char* name;
  uint32_t type;
  uint64_t config;
};
constexpr uint64_t misses_of(uint64_t cache) {
  return cache | uint64_t{PERF_COUNT_HW_CACHE_OP_READ} << 8 | uint64_t{PERF_COUNT_HW_CACHE_RESULT_MISS} << 16;
}
constexpr Event kEvents[] = {{"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
                             {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
                             {"l1d_read_misses", PERF_TYPE_HW_CACHE, misses_of(PERF_COUNT_HW_CACHE_L1D)},
                             {"last_level_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
                             {"dtlb_read_misses", PERF_TYPE_HW_CACHE, misses_of(PERF_COUNT_HW_CACHE_DTLB)},
                             {"page_faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
                             {"context_switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES}};

int open_counter(const Event& event) {
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = event.type;
  attr.config = event.config;
  attr.disabled = 1;
  attr.exclude_kernel = event.type != PERF_TYPE_SOFTWARE;
  attr.exclude_hv = 1;
  return static_cast<int>(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

}  // namespace

Counters::Counters() {
  for (const Event& event : kEvents) {
    const int file = open_counter(event);
    if (file < 0 && remark_.empty())
      remark_ = errno == EACCES || errno == EPERM
                    ? "the system does not allow counters: see /proc/sys/kernel/perf_event_paranoid"
                    : std::string("this machine lends no ") + event.name + " counter (" + std::strerror(errno) + ")";
    counters_.push_back({event.name, file});
  }
}

Counters::~Counters() {
  for (const Counter& c : counters_)
    if (c.file >= 0) close(c.file);
}

void Counters::start() {
  for (const Counter& c : counters_)
    if (c.file >= 0) {
      ioctl(c.file, PERF_EVENT_IOC_RESET, 0);
      ioctl(c.file, PERF_EVENT_IOC_ENABLE, 0);
    }
}

void Counters::stop() {
  for (Counter& c : counters_) {
    if (c.file < 0) continue;
    ioctl(c.file, PERF_EVENT_IOC_DISABLE, 0);
    uint64_t count = 0;
    if (read(c.file, &count, sizeof count) == sizeof count) c.sum += static_cast<double>(count);
  }
}

std::vector<Counters::Value> Counters::values() const {
  std::vector<Value> values;
  for (const Counter& c : counters_)
    values.push_back({c.name, c.file >= 0 ? std::optional<double>(c.sum) : std::nullopt});
  return values;
}

}  // namespace quadlane::measure
