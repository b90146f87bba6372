// Places buffers in one arena so that buffers alive at the same time do not overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quadlane::run {

struct Lifetime {
  size_t bytes;
  int first_step, last_step;  // inclusive
};

struct MemoryPlan {
  std::vector<size_t> offsets;  // one for each buffer, multiples of kArenaAlignment
  size_t arena_bytes = 0;
};

inline constexpr size_t kArenaAlignment = 64;

// Largest first, each at the lowest offset where it meets no buffer alive at the same time. Close to the lower bound
// (the largest sum of sizes alive at one step) on convolutional networks; exact optimality is NP-hard.
MemoryPlan plan_memory(const std::vector<Lifetime>& buffers);

}  // namespace quadlane::run
