// The layout of packed weights where there is no VNNI: what conv_pack.cc writes and conv_reduce.cc reads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace quadlane {

// vpmaddubsw adds the products of a pair of weights with bytes up to 255 in 16 bits; weights of opposite signs always
// fit.
inline bool pair_fits(int a, int b) {
  constexpr int kLimit = 128;  // 255 * 128 = 32640
  return std::max(a, 0) + std::max(b, 0) <= kLimit && std::min(a, 0) + std::min(b, 0) >= -kLimit;
}

// wide:   header, then [section][plane][tap][o] of 8 bytes
// narrow: header, then [section][plane][tap][o] of 4 bytes, then for each o the number of its extra dots (u32) and
// these
// Zeros throughout are a narrow block of zero weights: what a schedule is timed on.
struct ConvBlockHeader {
  uint32_t wide;  // 0 or 1
  uint32_t unused;
};

// A dot of one output alone: what is left of weights that did not fit.
struct ConvExtraDot {
  int32_t plane;   // index in src_planes
  int32_t offset;  // bytes
  int8_t weights[4];
};

}  // namespace quadlane
