// How the taps of a depthwise kernel are brought together in dwords, and the block of weights that follows from it:
// what depthwise_pack.cc writes and depthwise.cc reads.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/base/cpu.h"

namespace quadlane {

struct DepthwiseTap {
  int section, tap;
};
// The four bytes of a dword. A tap may stand in two of them, one in each half: its weight can be shared between the
// two.
struct DepthwiseGroup {
  bool row = false;  // one shuffle: byte k is `pixel[k]` pixels behind byte 0's
  std::array<DepthwiseTap, 4> slot{};
  std::array<int, 4> pixel{};
  int distinct = 0;  // taps: 4 (0 1 2 3), 3 (0 1 1 2), 2 (0 1 0 1), 1 (0 0 0 0)
};

inline constexpr size_t kMaxDepthwiseGroups = 64;  // flags of a block

// Runs of three or four neighbours first, then whatever is left in fours; `rows`: runs alone, of any length.
std::vector<DepthwiseGroup> depthwise_groups(const std::vector<std::vector<int64_t>>& taps, bool rows = false);

// Byte offsets in the block. A group is a vector of weights. Without VNNI it has two, and a flag, a byte: 1 where
// products must be of 16 bits (conv_pack.h, wide): then the first holds the even bytes' weights, the second the odd
// bytes'.
struct DepthwiseBlock {
  static constexpr int kVector = 64, flags = 0, bias = 64, mult = 128, clamp_lo = 192, clamp_hi = 256, slope = 320;
  static int group(Isa isa, size_t g) { return 384 + (has_vnni(isa) ? 1 : 2) * kVector * static_cast<int>(g); }
};

}  // namespace quadlane
