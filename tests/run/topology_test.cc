#include "engine/run/topology.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <numeric>

namespace quadlane::run {
namespace {

// A machine's trees below a fresh folder.
class FakeMachine {
 public:
  FakeMachine() {
    root_ = std::filesystem::temp_directory_path() / ("quadlane_topology_" + std::to_string(::getpid()));
    std::filesystem::remove_all(root_);
  }
  ~FakeMachine() { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }
  Topology read(const std::vector<int>& mask) {
    return read_topology(mask, (root_ / "sys").string(), (root_ / "cgroup").string(), (root_ / "membership").string());
  }

 private:
  std::filesystem::path root_;
};

TEST(CpuList, RangesSinglesAndNonsense) {
  EXPECT_EQ(parse_cpu_list("0-3,8,10-11"), (std::vector<int>{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(parse_cpu_list("5"), (std::vector<int>{5}));
  EXPECT_TRUE(parse_cpu_list("").empty());
  EXPECT_EQ(parse_cpu_list("1,x"), (std::vector<int>{1}));
  EXPECT_TRUE(parse_cpu_list("0-99999999").empty());
}

TEST(Topology, TwoNodesWithHyperThreads) {
  FakeMachine m;
  m.write("sys/devices/system/node/online", "0-1");
  m.write("sys/devices/system/node/node0/cpulist", "0-1,4-5");
  m.write("sys/devices/system/node/node1/cpulist", "2-3,6-7");
  for (int c = 0; c < 8; ++c)
    m.write("sys/devices/system/cpu/cpu" + std::to_string(c) + "/topology/thread_siblings_list",
            std::to_string(c % 4) + "," + std::to_string(c % 4 + 4));
  Topology t = m.read({0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(t.nodes, 2);
  EXPECT_EQ(t.usable_threads(), 4);
  EXPECT_EQ(t.cores_of(1), (std::vector<int>{2, 3, 6, 7}));
  EXPECT_TRUE(t.notes.empty());
  // A mask of one node's threads leaves one node.
  t = m.read({2, 6});
  EXPECT_EQ(t.nodes, 1);
  EXPECT_EQ(t.usable_threads(), 1);
}

// Two nodes with two caches of three cores each, hyper-threads behind them.
TEST(Topology, StreamsShareNoCacheWithoutNeed) {
  FakeMachine m;
  m.write("sys/devices/system/node/online", "0-1");
  m.write("sys/devices/system/node/node0/cpulist", "0-5,12-17");
  m.write("sys/devices/system/node/node1/cpulist", "6-11,18-23");
  for (int c = 0; c < 24; ++c) {
    const std::string cpu = "sys/devices/system/cpu/cpu" + std::to_string(c), twin = std::to_string(c % 12);
    const int first = c % 12 / 3 * 3;
    m.write(cpu + "/topology/thread_siblings_list", twin + "," + std::to_string(c % 12 + 12));
    m.write(cpu + "/cache/index3/shared_cpu_list", std::to_string(first) + "-" + std::to_string(first + 2) + "," +
                                                       std::to_string(first + 12) + "-" + std::to_string(first + 14));
  }
  std::vector<int> all(24);
  std::iota(all.begin(), all.end(), 0);
  const Topology t = m.read(all);
  EXPECT_EQ(t.cores[17].cache, 3);
  const auto places = place_streams(t, 5, 2);
  ASSERT_EQ(places.size(), 5u);
  EXPECT_EQ(places[0].processors, (std::vector<int>{0, 1}));
  EXPECT_EQ(places[1].processors, (std::vector<int>{6, 7}));
  EXPECT_EQ(places[1].node, 1);
  EXPECT_EQ(places[2].processors, (std::vector<int>{3, 4})) << "core 2 has no neighbour left in its cache";
  EXPECT_EQ(places[3].processors, (std::vector<int>{9, 10}));
  EXPECT_EQ(places[4].processors, (std::vector<int>{12, 13})) << "hyper-threads come last";
  EXPECT_EQ(place_streams(t, 1, 4)[0].processors, (std::vector<int>{0, 1, 2, 3})) << "more than any cache has";
  EXPECT_EQ(place_streams(m.read({4}), 2, 3)[1].processors, (std::vector<int>{4, 4, 4}));
}

// A service in a slice in a container: the tightest of the groups around it counts.
TEST(Topology, QuotaOfAGroupFurtherUp) {
  FakeMachine two;
  two.write("membership", "0::/system.slice/heart.service");
  two.write("cgroup/system.slice/heart.service/cpu.max", "max 100000");
  EXPECT_EQ(two.read({0, 1, 2, 3}).quota, 0);
  two.write("cgroup/system.slice/cpu.max", "50000 100000");
  EXPECT_EQ(two.read({0, 1, 2, 3}).quota, 0.5);
  EXPECT_EQ(two.read({0, 1, 2, 3}).usable_threads(), 1);
  two.write("cgroup/system.slice/heart.service/cpu.max", "20000 100000");
  EXPECT_EQ(two.read({0, 1, 2, 3}).quota, 0.2);
  FakeMachine one;
  one.write("membership", "3:memory:/other\n4:cpu,cpuacct:/docker/abc\nnonsense\n5:cpu:no slash");
  one.write("cgroup/cpu/docker/abc/cpu.cfs_quota_us", "150000");
  one.write("cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000");
  EXPECT_EQ(one.read({0, 1}).quota, 1.5);
  EXPECT_EQ(one.read({0, 1}).usable_threads(), 2);
}

TEST(Topology, QuotaOfBothControlGroupVersions) {
  FakeMachine two;
  two.write("cgroup/cpu.max", "150000 100000");
  EXPECT_EQ(two.read({0, 1, 2, 3}).usable_threads(), 2);
  two.write("cgroup/cpu.max", "50000 100000");
  EXPECT_EQ(two.read({0, 1, 2, 3}).usable_threads(), 1);
  two.write("cgroup/cpu.max", "max 100000");
  EXPECT_EQ(two.read({0, 1, 2, 3}).usable_threads(), 4);
  FakeMachine one;
  one.write("cgroup/cpu/cpu.cfs_quota_us", "300000");
  one.write("cgroup/cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(one.read({0, 1, 2, 3}).usable_threads(), 3);
  one.write("cgroup/cpu/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(one.read({0, 1, 2, 3}).usable_threads(), 4);
}

TEST(Topology, UnreadableTreesAreSaid) {
  FakeMachine m;
  Topology t = m.read({3, 4});
  EXPECT_EQ(t.nodes, 1);
  EXPECT_EQ(t.usable_threads(), 2);
  ASSERT_EQ(t.notes.size(), 1u);
  EXPECT_NE(t.notes[0].find("NUMA"), std::string::npos);
}

}  // namespace
}  // namespace quadlane::run
