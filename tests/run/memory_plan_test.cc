#include "engine/run/memory_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace quadlane::run {
namespace {

bool overlap(const Lifetime& a, size_t at, const Lifetime& b, size_t bt) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step && at < bt + b.bytes && bt < at + a.bytes;
}

// The largest sum of sizes alive at one step.
size_t peak_live_bytes(const std::vector<Lifetime>& buffers) {
  size_t peak = 0;
  for (const Lifetime& at : buffers) {  // a peak begins with a buffer
    size_t live = 0;
    for (const Lifetime& b : buffers)
      if (b.first_step <= at.first_step && at.first_step <= b.last_step)
        live += (b.bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
    peak = std::max(peak, live);
  }
  return peak;
}

TEST(MemoryPlan, BuffersAliveTogetherNeverOverlap) {
  std::mt19937 rng(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> buffers(1 + rng() % 30);
    for (Lifetime& b : buffers) {
      b.bytes = rng() % 5000;
      b.first_step = static_cast<int>(rng() % 20);
      b.last_step = b.first_step + static_cast<int>(rng() % 6);
    }
    MemoryPlan plan = plan_memory(buffers);
    for (size_t i = 0; i < buffers.size(); ++i) {
      EXPECT_EQ(plan.offsets[i] % kArenaAlignment, 0u);
      EXPECT_LE(plan.offsets[i] + buffers[i].bytes, plan.arena_bytes);
      for (size_t j = 0; j < i; ++j)
        EXPECT_FALSE(overlap(buffers[i], plan.offsets[i], buffers[j], plan.offsets[j]))
            << "buffers " << i << " and " << j;
    }
    EXPECT_GE(plan.arena_bytes, peak_live_bytes(buffers));
  }
}

TEST(MemoryPlan, AChainNeedsTwoBuffers) {
  std::vector<Lifetime> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({6400, i, i + 1});
  EXPECT_EQ(plan_memory(chain).arena_bytes, 2 * 6400u);
}

TEST(MemoryPlan, NothingNeedsNothing) { EXPECT_EQ(plan_memory({}).arena_bytes, 0u); }

}  // namespace
}  // namespace quadlane::run
