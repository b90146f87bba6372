#include "graph/quant/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace quadlane {
namespace {

TEST(ParallelFor, CallsEveryIndexOnce) {
  for (int64_t count : {0, 1, 2, 1000}) {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
    parallel_for(count, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
    for (const std::atomic<int>& n : calls) EXPECT_EQ(n, 1);
  }
}

TEST(ParallelFor, InsideAnother) {
  std::vector<int64_t> sums(40);
  parallel_for(40, [&](int64_t i) {
    std::atomic<int64_t> sum = 0;
    parallel_for(i, [&](int64_t j) { sum += j; });
    sums[static_cast<size_t>(i)] = sum;
  });
  for (int64_t i = 0; i < 40; ++i) EXPECT_EQ(sums[static_cast<size_t>(i)], i * (i - 1) / 2);
}

TEST(ParallelFor, ThrowsWhatItsBodyThrows) {
  EXPECT_THROW(parallel_for(100, [](int64_t i) { i == 37 ? throw std::runtime_error("37") : void(); }),
               std::runtime_error);
}

}  // namespace
}  // namespace quadlane
