// The processors this process may use, as a value: tests pass other machines' trees and values.
#pragma once

#include <string>
#include <vector>

namespace quadlane::run {

struct Core {
  int id;             // logical processor
  int node;           // NUMA node; 0 when unknown
  int first_sibling;  // lowest logical processor of the same physical core
  int cache;          // lowest logical processor that shares its third-level cache; its node's lowest when unknown
};

struct Topology {
  std::vector<Core> cores;         // of the affinity mask, ascending
  int nodes = 1;                   // NUMA nodes among them
  double quota = 0;                // processors the control group grants; 0: no limit
  std::vector<std::string> notes;  // what could not be read and what was assumed instead

  // Threads worth having: physical cores of the mask, not more than the quota (rounded up), at least 1.
  int usable_threads() const;
  // Logical processors of a node, one for each physical core first, then their siblings.
  std::vector<int> cores_of(int node) const;
};

// Where a stream's threads go: logical processors of one node and, as far as they fit, of one third-level cache; with
// more threads than it has they come around again.
struct StreamPlace {
  int node = 0;
  std::vector<int> processors;  // one for each thread
};
// Streams take turns on the nodes. On a node they fill one cache's processors after the other, physical cores first.
std::vector<StreamPlace> place_streams(const Topology&, int streams, int threads);

// Reads the affinity mask, which a cpuset narrows, the trees below `sys` and `cgroup`, and which group this process is
// in.
Topology detect_topology(const std::string& sys = "/sys", const std::string& cgroup = "/sys/fs/cgroup",
                         const std::string& membership = "/proc/self/cgroup");
// The same for a given mask.
Topology read_topology(const std::vector<int>& mask, const std::string& sys, const std::string& cgroup,
                       const std::string& membership = {});

// "0-3,8" -> 0 1 2 3 8; stops at what it does not understand.
std::vector<int> parse_cpu_list(const std::string&);

}  // namespace quadlane::run
