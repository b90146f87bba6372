// The calling convention of generated channel kernels: each result pixel from the same pixel of all planes. Operands
// and results share their pitch; 16-pixel vectors, lanes that are no pixels become padding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quadlane {

struct ChannelsArgs {
  const std::byte* src;       // base of src_planes: arena + image + first vector
  const int64_t* src_planes;  // [planes]
  std::byte* dst;             // likewise
  const int64_t* dst_planes;  // softmax: [planes], reductions: one
  const uint32_t* dst_pad;
  const uint16_t* lanes;  // valid_lanes() from the first vector on
  // argmax and argmin of u8: 16 bytes for each plane, four dwords each: the channel in lane 0..3 of its pixels.
  // Of f32: one dword for each plane.
  const int32_t* channels;
  float factor;  // reductions: the result is multiplied by it (1 / planes for a mean)
  int32_t reserved;
  int64_t planes, count;  // count: vectors
};

}  // namespace quadlane
