#include "engine/run/topology.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

namespace quadlane::run {
namespace {

std::optional<std::string> read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<double> read_number(const std::string& path) {
  auto line = read_line(path);
  if (!line) return std::nullopt;
  char* end = nullptr;
  double value = std::strtod(line->c_str(), &end);
  return end == line->c_str() ? std::nullopt : std::optional(value);
}

// Version 2 writes "quota period" or "max period" into one file, version 1 two numbers into two, -1 for no limit.
double quota_of(const std::string& cgroup) {
  if (auto line = read_line(cgroup + "/cpu.max")) {
    std::istringstream words(*line);
    double quota = 0, period = 0;
    return words >> quota >> period && quota > 0 && period > 0 ? quota / period : 0;
  }
  auto quota = read_number(cgroup + "/cpu.cfs_quota_us"), period = read_number(cgroup + "/cpu.cfs_period_us");
  return quota && period && *quota > 0 && *period > 0 ? *quota / *period : 0;
}

// The folders of the process's own control group, outermost last: "0::/a/b" in version 2, "4:cpu,cpuacct:/a/b" in 1.
std::vector<std::string> group_folders(const std::string& cgroup, const std::string& membership) {
  std::vector<std::string> folders = {cgroup, cgroup + "/cpu"};
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool version2 = controllers == ",,";
    if (!version2 && controllers.find(",cpu,") == controllers.npos) continue;
    for (std::string path = line.substr(second + 1); path.size() > 1 && path[0] == '/'; path.resize(path.rfind('/')))
      folders.push_back((version2 ? cgroup : cgroup + "/cpu") + path);
  }
  return folders;
}

// Every group around the process may limit it: the least counts.
double read_quota(const std::string& cgroup, const std::string& membership) {
  double least = 0;
  for (const std::string& folder : group_folders(cgroup, membership))
    if (const double quota = quota_of(folder); quota > 0) least = least > 0 ? std::min(least, quota) : quota;
  return least;
}

// The lowest processor of a list in a file.
int lowest_of(const std::string& path, int otherwise) {
  const auto line = read_line(path);
  const std::vector<int> list = line ? parse_cpu_list(*line) : std::vector<int>{};
  return list.empty() ? otherwise : *std::min_element(list.begin(), list.end());
}

}  // namespace

std::vector<int> parse_cpu_list(const std::string& text) {
  constexpr int kLimit = 1 << 16;
  std::vector<int> cores;
  std::istringstream in(text);
  int first = 0;
  while (in >> first && first >= 0 && first < kLimit) {
    int last = first;
    if (in.peek() == '-') {
      in.get();
      if (!(in >> last) || last >= kLimit) break;
    }
    for (int c = first; c <= last; ++c) cores.push_back(c);
    if (in.peek() != ',') break;
    in.get();
  }
  return cores;
}

Topology read_topology(const std::vector<int>& mask, const std::string& sys, const std::string& cgroup,
                       const std::string& membership) {
  Topology t;
  t.quota = read_quota(cgroup, membership);
  for (int id : mask) t.cores.push_back({id, 0, id, -1});
  if (auto online = read_line(sys + "/devices/system/node/online")) {
    for (int node : parse_cpu_list(*online)) {
      auto list = read_line(sys + "/devices/system/node/node" + std::to_string(node) + "/cpulist");
      if (!list) {
        t.notes.push_back("the processors of NUMA node " + std::to_string(node) + " are unknown");
        continue;
      }
      for (int id : parse_cpu_list(*list))
        for (Core& core : t.cores)
          if (core.id == id) core.node = node;
    }
  } else {
    t.notes.push_back("no NUMA information, one node is assumed");
  }
  for (Core& core : t.cores) {
    const std::string folder = sys + "/devices/system/cpu/cpu" + std::to_string(core.id);
    core.first_sibling = lowest_of(folder + "/topology/thread_siblings_list", core.id);
    core.cache = lowest_of(folder + "/cache/index3/shared_cpu_list", -1);
  }
  for (Core& core : t.cores)
    for (const Core& other : t.cores)
      if (core.cache < 0 && other.node == core.node) core.cache = other.id;
  std::set<int> nodes;
  for (const Core& core : t.cores) nodes.insert(core.node);
  t.nodes = std::max<int>(1, static_cast<int>(nodes.size()));
  return t;
}

Topology detect_topology(const std::string& sys, const std::string& cgroup, const std::string& membership) {
  std::vector<int> mask;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int c = 0; c < CPU_SETSIZE; ++c)
      if (CPU_ISSET(c, &set)) mask.push_back(c);
  bool known = !mask.empty();
  if (!known) mask.push_back(0);
  Topology t = read_topology(mask, sys, cgroup, membership);
  if (!known) t.notes.push_back("the affinity mask is unknown, one processor is assumed");
  return t;
}

int Topology::usable_threads() const {
  std::set<int> physical;
  for (const Core& core : cores) physical.insert(core.first_sibling);
  int threads = static_cast<int>(physical.size());
  if (quota > 0) threads = std::min(threads, static_cast<int>(std::ceil(quota)));
  return std::max(threads, 1);
}

std::vector<int> Topology::cores_of(int node) const {
  std::vector<int> first, others;
  std::set<int> seen;
  for (const Core& core : cores)
    if (core.node == node) (seen.insert(core.first_sibling).second ? first : others).push_back(core.id);
  first.insert(first.end(), others.begin(), others.end());
  return first;
}

namespace {

// The processors of a node in the order they are taken: physical cores first, and those that share a cache together.
std::vector<Core> in_order(const Topology& topology, int node) {
  std::vector<Core> cores;
  for (int id : topology.cores_of(node))
    for (const Core& core : topology.cores)
      if (core.id == id) cores.push_back(core);
  std::set<int> physical;
  for (const Core& core : cores) physical.insert(core.first_sibling);
  const auto siblings = cores.begin() + static_cast<std::ptrdiff_t>(physical.size());
  auto by_cache = [](const Core& a, const Core& b) { return a.cache < b.cache; };
  std::stable_sort(cores.begin(), siblings, by_cache);
  std::stable_sort(siblings, cores.end(), by_cache);
  return cores;
}

// How far to go on from `at`, so that `threads` processors share a cache; 0 where none has that many.
size_t to_a_whole_cache(const std::vector<Core>& cores, size_t at, size_t threads) {
  for (size_t skip = 0; skip < cores.size(); ++skip) {
    bool together = true;
    for (size_t t = 1; t < threads; ++t)
      together = together && cores[(at + skip + t) % cores.size()].cache == cores[(at + skip) % cores.size()].cache;
    if (together) return skip;
  }
  return 0;
}

}  // namespace

std::vector<StreamPlace> place_streams(const Topology& topology, int streams, int threads) {
  struct Node {
    int id;
    std::vector<Core> cores;
    size_t taken = 0;
  };
  std::set<int> ids;
  for (const Core& core : topology.cores) ids.insert(core.node);
  std::vector<Node> nodes;
  for (int id : ids) nodes.push_back({id, in_order(topology, id)});
  std::vector<StreamPlace> places;
  for (int s = 0; s < streams && !nodes.empty(); ++s) {
    Node& node = nodes[static_cast<size_t>(s) % nodes.size()];
    if (static_cast<size_t>(threads) <= node.cores.size())
      node.taken += to_a_whole_cache(node.cores, node.taken, static_cast<size_t>(threads));
    StreamPlace place{node.id, {}};
    for (int t = 0; t < threads; ++t) place.processors.push_back(node.cores[node.taken++ % node.cores.size()].id);
    places.push_back(std::move(place));
  }
  return places;
}

}  // namespace quadlane::run
