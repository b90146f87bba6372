#include "engine/run/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace quadlane::run {
namespace {

size_t round_up(size_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; }

bool alive_together(const Lifetime& a, const Lifetime& b) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step;
}

}  // namespace

MemoryPlan plan_memory(const std::vector<Lifetime>& buffers) {
  std::vector<size_t> by_size(buffers.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  MemoryPlan plan;
  plan.offsets.resize(buffers.size());
  std::vector<size_t> placed;  // by offset
  for (size_t id : by_size) {
    size_t bytes = round_up(buffers[id].bytes), offset = 0;
    for (size_t other : placed) {
      if (!alive_together(buffers[id], buffers[other])) continue;
      if (offset + bytes <= plan.offsets[other]) break;  // fits into the hole before it
      offset = std::max(offset, plan.offsets[other] + round_up(buffers[other].bytes));
    }
    plan.offsets[id] = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), id,
                                   [&](size_t a, size_t b) { return plan.offsets[a] < plan.offsets[b]; }),
                  id);
  }
  return plan;
}

}  // namespace quadlane::run
