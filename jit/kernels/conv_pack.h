// The layout of packed weights where there is no VNNI: what conv_pack.cc writes and conv_reduce.cc reads.
#pragma once

#include <cstdint>

namespace quadlane {

// wide:   header, then [section][plane][tap][o] of 8 bytes
// narrow: header, then [section][plane][tap][o] of 4 bytes, then extra_taps times (ConvExtraTap, [o] of 4 bytes)
struct ConvBlockHeader {
  uint32_t narrow;
  uint32_t extra_taps;
};

struct ConvExtraTap {
  int32_t plane;   // index in src_planes
  int32_t offset;  // bytes
};

}  // namespace quadlane
