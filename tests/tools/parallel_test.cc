#include "tools/cli/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace quadlane::tools {
namespace {

TEST(ParallelFor, CallsEveryIndexOnce) {
  for (int64_t count : {0, 1, 2, 1000}) {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
    on_usable_processors()(count, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
    for (const std::atomic<int>& n : calls) EXPECT_EQ(n, 1);
  }
}

TEST(ParallelFor, ThrowsWhatItsBodyThrows) {
  for (const ParallelFor& parallel : {on_usable_processors(), ParallelFor(one_by_one)})
    EXPECT_THROW(parallel(100, [](int64_t i) { i == 37 ? throw std::runtime_error("37") : void(); }),
                 std::runtime_error);
}

}  // namespace
}  // namespace quadlane::tools
