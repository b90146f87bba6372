// The calling convention of the convolution kernels that have output channels in the lanes (jit/kernels/oconv).
//
// A tile is `rows` x `columns` pixels of one output image; pixel (r, c) of the tile reads
//
//   acc[p][o] = bias[phase of p][o] + sum over sections s, planes i of s, taps t of s of dot(w[s][i][t][o],
//   clamp_i(src_i[p + t]))
//
// with src_i[p + t] at src + src_planes[i] + r * row step + c * pixel step + tap offset: all three are in the code.
#pragma once

#include "engine/base/abi/conv.h"

namespace quadlane {

// One call computes `tiles` tiles, one below the other, for one block of output channels.
// "Plane offset" as in ConvArgs: bytes from the arena's base to pixel (0, 0) of image 0.
struct OconvArgs {
  const std::byte* src;  // arena base + image + the input pixel that tap (0, 0) of the first tile's first pixel reads
  const int64_t* src_planes;  // plane offsets, sections one after the other
  const void* weights;        // as pack_oconv_weights() packs them
  const void* bias;           // s32 or f32; this and the next two for whole vectors of 16 outputs. A transposed
                     // convolution has one for each phase of the result (OconvSpec::phase), each has other taps
  const float* mult;          // u8 sources only; slopes lie behind as many, a table at table_offset()
  const float* shift;         // u8 -> f32 with a shift only
  const std::byte* clamp_lo;  // one 64-byte vector for each plane
  const std::byte* clamp_hi;
  std::byte* dst;                  // arena base + image + the first tile's first pixel
  const int64_t* dst_planes;       // u8: one for each 4 outputs; f32: one for each output
  const std::byte* residual;       // like dst
  const int64_t* residual_planes;  // like dst_planes
  const ConvEpilogue* epilogue;
  int64_t tiles;
  int64_t src_step, dst_step;                // bytes from one tile to the next
  int64_t section_planes[kMaxConvSections];  // planes in each section
};

}  // namespace quadlane
