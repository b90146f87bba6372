// The whole user space of a small virtual machine with two NUMA nodes (tools/numa_guest starts it): runs a plan on
// streams of both nodes and looks where its threads and pages are. Ends with "guest: passed" or "guest: failed".
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>

#include "engine/run/plan_file.h"
#include "engine/run/stream.h"
#include "engine/run/topology.h"

namespace quadlane::run {
namespace {

int failures = 0;
void expect(bool holds, const std::string& what) {
  std::printf("guest: %s: %s\n", holds ? "ok" : "WRONG", what.c_str());
  failures += !holds;
}

// The line of /proc/self/numa_maps about the mapping around `data`: "7f8dfa000000 default anon=194 N0=194 ..".
std::string numa_maps_line(const std::byte* data) {
  std::ifstream maps("/proc/self/numa_maps");
  std::string found;
  for (std::string line; std::getline(maps, line);)
    if (std::stoull(line, nullptr, 16) <= reinterpret_cast<uintptr_t>(data)) found = line;
  return found;
}
size_t pages_on_node(const std::string& line, int node) {
  const std::string key = cat(" N", node, "=");
  const size_t at = line.find(key);
  return at == line.npos ? 0 : std::stoull(line.substr(at + key.size()));
}

void expect_on_node(const std::string& what, const std::byte* data, size_t bytes, int node) {
  const std::string line = numa_maps_line(data);
  const size_t here = pages_on_node(line, node), elsewhere = pages_on_node(line, 1 - node);
  expect(here * 4096 >= bytes && elsewhere == 0,
         cat(what, " of ", bytes, " bytes: ", here, " pages on node ", node, ", ", elsewhere, " on the other one"));
  std::printf("       %s\n", line.c_str());
}

// Arenas in mappings of their own, so that numa_maps lists each by itself.
struct Arenas {
  std::vector<std::pair<std::byte*, size_t>> all;
  static void* allocate(void* user, size_t bytes, size_t, int) {
    constexpr size_t kAlign = size_t{2} << 20;
    auto* space =
        static_cast<std::byte*>(mmap(nullptr, bytes + 2 * kAlign, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    auto* at = reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(space) + kAlign) / kAlign * kAlign);
    mprotect(at, bytes, PROT_READ | PROT_WRITE);
    static_cast<Arenas*>(user)->all.emplace_back(at, bytes);
    return at;
  }
  static void release(void*, void*, size_t) {}  // they are looked at to the end
};

// Which processors did parts of steps.
struct Processors final : StepObserver {
  void step_done(size_t, double) noexcept override {}
  void part_done(size_t, int thread, Time, Time) noexcept override {
    const unsigned cpu = static_cast<unsigned>(sched_getcpu());
    seen |= uint64_t{1} << cpu;
    if (thread < 8) of_thread[thread] |= uint64_t{1} << cpu;
  }
  std::atomic<uint64_t> seen{0}, of_thread[8] = {};
};

uint64_t bits_of(const std::vector<int>& processors) {
  uint64_t bits = 0;
  for (int p : processors) bits |= uint64_t{1} << p;
  return bits;
}

Status check_streams(const Topology& topology) {
  QL_TRY(PlanFile file, PlanFile::open("/net.qlp"));
  QL_TRY(auto plan, file.load(detect_cpu().best_isa()));
  std::printf("guest: the plan runs on its %s code, %zu bytes of weights\n", plan->isa.c_str(), plan->weights.size());
  Arenas arenas;
  std::vector<Stream> streams;
  const auto places = place_streams(topology, 4, 2);
  for (const StreamPlace& place : places) {
    StreamOptions options;
    options.threads = 2, options.numa_node = place.node, options.processors = place.processors;
    options.memory = {Arenas::allocate, Arenas::release, &arenas, place.node};
    QL_TRY(Stream stream, Stream::open(plan, options));
    streams.push_back(std::move(stream));
  }
  std::vector<Tensor> tensors;
  std::vector<View> in;
  for (const TensorInfo& info : plan->inputs) {
    QL_TRY(Tensor t, Tensor::allocate(info.type));
    std::memset(t.mut_view().data, 0, info.type.bytes());
    tensors.push_back(std::move(t));
    in.push_back(tensors.back().view());
  }
  std::set<std::string> results;
  for (size_t s = 0; s < streams.size(); ++s) {
    std::vector<Tensor> out;
    std::vector<MutView> views;
    for (const TensorInfo& info : plan->outputs) {
      QL_TRY(Tensor t, Tensor::allocate(info.type));
      out.push_back(std::move(t));
      views.push_back(out.back().mut_view());
    }
    Processors processors;
    QL_CHECK_OK(streams[s].run(in, views, &processors));
    results.emplace(static_cast<const char*>(out[0].data()), out[0].type().bytes());
    const int node = places[s].node;
    const uint64_t allowed = bits_of(topology.cores_of(node)), planned = bits_of(places[s].processors);
    expect((processors.seen & ~allowed) == 0 && (processors.seen & ~planned) == 0,
           cat("stream ", s, " ran on processors ", processors.seen.load(), " (bits), planned ", planned, " of node ",
               node));
    expect_on_node(cat("arena of stream ", s), arenas.all[s].first, plan->arena_bytes, node);
  }
  expect(results.size() == 1, cat(results.size(), " result of ", streams.size(), " streams, expected 1"));
  std::set<const std::byte*> copies;
  for (int node : {0, 1, 0, 1}) {
    QL_TRY(const std::byte* weights, plan->node_weights->on_node(node, plan->weights));
    if (copies.insert(weights).second)
      expect_on_node(cat("weights of node ", node), weights, plan->weights.size(), node);
  }
  expect(copies.size() == 2, cat(copies.size(), " copies of the weights, expected one for each node"));
  return {};
}

void check() {
  const Topology topology = detect_topology();
  for (const std::string& note : topology.notes) std::printf("guest: note: %s\n", note.c_str());
  expect(topology.nodes == 2 && topology.cores.size() == 4,
         cat(topology.nodes, " nodes and ", topology.cores.size(), " processors, expected 2 and 4"));
  if (Status status = check_streams(topology); !status.ok()) expect(false, status.error().text());
}

}  // namespace
}  // namespace quadlane::run

int main() {
  mkdir("/proc", 0755), mkdir("/sys", 0755);
  mount("proc", "/proc", "proc", 0, nullptr);
  mount("sysfs", "/sys", "sysfs", 0, nullptr);
  setvbuf(stdout, nullptr, _IOLBF, 0);
  quadlane::run::check();
  std::printf("guest: %s\n", quadlane::run::failures ? "failed" : "passed");
  if (getpid() == 1) {
    sync();
    reboot(RB_POWER_OFF);
  }
  return quadlane::run::failures != 0;
}
