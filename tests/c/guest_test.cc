// Two NUMA nodes for real: threads where the plan says, pages on the right node, weights once on each.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

namespace quadlane {
namespace {

TEST(Guest, TwoNodes) {
  if (std::string(QUADLANE_BUILD_TYPE) != "Release") GTEST_SKIP() << "release builds only";
  const int status = std::system(QUADLANE_REPOSITORY "/tools/numa_guest --no-download " QUADLANE_BUILD);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "tools/numa_guest has not got qemu and a kernel";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace quadlane
