#include "tools/measure/machine.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "engine/run/topology.h"

namespace quadlane::measure {
namespace {

double copy_speed(size_t bytes) {
  const size_t half = std::max<size_t>(bytes / 2 / 4096, 1) * 4096;
  auto aligned = [&] {
    return std::unique_ptr<char, void (*)(void*)>(static_cast<char*>(std::aligned_alloc(4096, half)), std::free);
  };
  const auto from = aligned(), to = aligned();
  if (!from || !to) return 0;
  std::memset(from.get(), 1, half);
  std::memset(to.get(), 2, half);
  const size_t copies = std::max<size_t>(1, (size_t{4} << 20) / half);
  double best = 0;
  for (int i = 0; i < 12; ++i) {
    const auto start = std::chrono::steady_clock::now();
    for (size_t c = 0; c < copies; ++c) {
      std::memcpy(to.get(), from.get(), half);
      asm volatile("" ::: "memory");
    }
    const double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, 2 * static_cast<double>(copies * half) / ns);
  }
  return best;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

bool has_flag(const std::string& flag) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("flags", 0) == 0) return (line + " ").find(" " + flag + " ") != std::string::npos;
  return false;
}

}  // namespace

CopySpeed measure_copy(const CpuInfo& cpu) {
  const size_t beyond =
      std::min<size_t>(std::max<size_t>(size_t{4} * cpu.l3_bytes, size_t{64} << 20), size_t{512} << 20);
  const size_t in_l3 = std::max<size_t>(cpu.l3_bytes / 4, size_t{2} * cpu.l2_bytes);
  return {copy_speed(cpu.l1d_bytes / 2), copy_speed(cpu.l2_bytes / 2), copy_speed(in_l3), copy_speed(beyond)};
}

CpuTime CpuTime::now() {
  CpuTime t;
  std::istringstream line(first_line("/proc/stat"));
  std::string label;
  line >> label;
  const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
  double value = 0;
  for (int i = 0; i < 8 && line >> value; ++i) {  // user nice system idle iowait irq softirq steal
    t.total += value * tick;
    if (i != 3 && i != 4) t.busy += value * tick;
    if (i == 7) t.stolen += value * tick;
  }
  timespec own{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
  t.own = static_cast<double>(own.tv_sec) + 1e-9 * static_cast<double>(own.tv_nsec);
  rusage ended{};  // children that were waited for
  getrusage(RUSAGE_CHILDREN, &ended);
  for (const timeval& part : {ended.ru_utime, ended.ru_stime})
    t.own += static_cast<double>(part.tv_sec) + 1e-6 * static_cast<double>(part.tv_usec);
  return t;
}

double other_load(const CpuTime& before, const CpuTime& after) {
  const double total = after.total - before.total, busy = after.busy - before.busy, own = after.own - before.own;
  return total > 0 ? std::clamp((busy - own) / total, 0.0, 1.0) : 0;
}

Host describe_host() {
  const CpuInfo cpu = detect_cpu();
  const run::Topology topology = run::detect_topology();
  Host host;
  host.cpu = cpu.name;
  utsname system{};
  if (uname(&system) == 0) host.system = cat(system.sysname, " ", system.release, " ", system.machine);
  host.build = cat("g++ ", __VERSION__,
#ifdef NDEBUG
                   ", release");
#else
                   ", with assertions");
#endif
  for (Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni})
    if (cpu.runs(isa)) host.isas.push_back(to_string(isa));
  std::set<int> physical;
  for (const run::Core& core : topology.cores) physical.insert(core.first_sibling);
  host.logical = static_cast<int>(topology.cores.size());
  host.physical = static_cast<int>(physical.size());
  host.smt = host.physical ? host.logical / host.physical : 1;
  host.nodes = topology.nodes;
  host.quota = topology.quota;
  host.governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  if (host.governor.empty()) host.governor = "unknown";
  host.virtual_machine = has_flag("hypervisor");
  host.memory_gib =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 30);
  return host;
}

size_t resident_memory() {
  std::istringstream sizes(first_line("/proc/self/statm"));  // in pages: all, resident, ...
  size_t all = 0, resident = 0;
  sizes >> all >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

size_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (size_t kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  return 0;
}

void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << 5; }

}  // namespace quadlane::measure
