// What containers do to a process, for real: a quota of half a processor, a cpuset of one, /sys out of sight.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/tools/command.h"

namespace quadlane::tools {
namespace {

// A control group of version 1 below /sys/fs/cgroup, or of version 2 where there is no such one.
class Group {
 public:
  explicit Group(const std::string& controller) {
    const std::filesystem::path root = "/sys/fs/cgroup";
    version2_ = !std::filesystem::exists(root / controller);
    path_ = (version2_ ? root : root / controller) / ("quadlane_test_" + std::to_string(::getpid()));
    std::error_code failed;
    made_ = std::filesystem::create_directory(path_, failed) && !failed;
  }
  ~Group() {
    std::error_code ignored;
    if (made_) std::filesystem::remove(path_, ignored);
  }
  bool write(const std::string& file, const std::string& text) const {
    std::ofstream out(path_ / file);
    out << text << std::flush;
    return made_ && out.good();
  }
  bool version2() const { return version2_; }
  // In front of a command of the shell: what follows runs in the group.
  std::string enter() const { return "echo $$ > " + (path_ / "cgroup.procs").string() + " && exec "; }

 private:
  std::filesystem::path path_;
  bool made_ = false, version2_ = false;
};

class Container : public ::testing::Test {
 protected:
  // `bench --streams auto` behind `prefix`.
  void bench(const std::string& prefix, const std::string& around = "") {
    const std::string plan = scratch_.path("net.qlp"), json = scratch_.path("b.json");
    const CommandResult made = quadlane(scratch_, "compile " QUADLANE_REPOSITORY
                                                  "/tools/showcase/model/cardiac_dense_unet.onnx --no-tune "
                                                  "--shape image=1x1x32x32 --aot -o " +
                                                      plan);
    ASSERT_EQ(made.code, 0) << made.err;
    const std::string command =
        std::string(QUADLANE_COMMAND) + " bench " + plan + " --streams auto --seconds 0.05 --json " + json;
    ran_ = run_shell(scratch_, around + "sh -c '" + prefix + command + "'");
    ASSERT_EQ(ran_.code, 0) << ran_.err;
    figures_ = nlohmann::json::parse(*read_file(json));
  }
  Scratch scratch_;
  CommandResult ran_;
  nlohmann::json figures_;
};

TEST_F(Container, AQuotaOfHalfAProcessor) {
  const Group group("cpu");
  const bool limited =
      group.version2() ? group.write("cpu.max", "50000 100000") : group.write("cpu.cfs_quota_us", "50000");
  if (!limited) GTEST_SKIP() << "no control group can be made here";
  bench(group.enter());
  if (HasFatalFailure()) return;
  EXPECT_EQ(figures_["streams"], 1);
  EXPECT_EQ(figures_["threads"], 1);
  EXPECT_NE(ran_.err.find("0.5 processors"), std::string::npos) << ran_.err;
}

TEST_F(Container, ACpusetOfOneProcessor) {
  const Group group("cpuset");
  const bool limited = group.write("cpuset.mems", "0") && group.write("cpuset.cpus", "0");
  if (!limited) GTEST_SKIP() << "no control group can be made here";
  bench(group.enter());
  if (HasFatalFailure()) return;
  EXPECT_EQ(figures_["streams"], 1);
}

TEST_F(Container, SysOutOfSight) {
  if (run_shell(scratch_, "unshare -m sh -c 'mount -t tmpfs none /sys'").code != 0)
    GTEST_SKIP() << "no mount can be made here";
  bench("mount -t tmpfs none /sys && exec ", "unshare -m ");
  if (HasFatalFailure()) return;
  EXPECT_NE(ran_.err.find("no NUMA information"), std::string::npos) << ran_.err;
}

}  // namespace
}  // namespace quadlane::tools
