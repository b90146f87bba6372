// What the machine of this moment can do and what else is going on on it: the limits that figures are compared with.
#pragma once

#include <string>
#include <vector>

#include "engine/base/cpu.h"

namespace quadlane::measure {

// GB/s of copying (bytes read plus bytes written) between two buffers that together fill half of a cache, or several
// times the last one. The best of many copies, on one core.
struct CopySpeed {
  double l1 = 0, l2 = 0, l3 = 0, memory = 0;
};
CopySpeed measure_copy(const CpuInfo&);

// Jiffies of all processors so far, from /proc/stat: what others do while we measure.
struct CpuTime {
  double busy = 0, total = 0, stolen = 0, own = 0;  // seconds; own: of this process and its ended children
  static CpuTime now();
};
// Share of the machine's processors that others used between two moments, 0 to 1; stolen time counts.
double other_load(const CpuTime& before, const CpuTime& after);

// What results must say about where they come from.
struct Host {
  std::string cpu, system, build;
  std::vector<std::string> isas;
  int logical = 0, physical = 0, nodes = 1, smt = 1;
  double quota = 0;  // processors; 0: no limit
  std::string governor;
  bool virtual_machine = false;
  double memory_gib = 0;
};
Host describe_host();

// Memory of this process that is resident just now, in bytes.
size_t resident_memory();
// The most that was resident since this process began or, where the system allows it, since forget_peak_memory().
size_t peak_memory();
void forget_peak_memory();

}  // namespace quadlane::measure
