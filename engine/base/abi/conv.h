// The calling convention of generated convolution kernels: what the launch code in engine/run hands to the code that
// jit/kernels/conv generates (or that a plan file carries).
//
// Every convolution is one over flattened planes at stride 1: output pixel index p and input pixel index p + tap
// offset. Source and destination share their pitch. Strides become several sections, one for each phase plane set;
// transposed convolutions become one convolution for each output phase. A section is a list of planes that share a list
// of taps.
//
//   acc[o][p] = bias[o] + sum over sections s, planes i of s, taps t of s of dot(w[s][i][t][o], clamp_i(src_i[p + t]))
//
// dot: 4 u8 x s8 products for quads, one f32 product for f32 planes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

namespace quadlane {

using KernelFn = void (*)(const void* args);  // System V calling convention, one pointer to the family's argument block

inline constexpr int kMaxConvSections = 16;

// A kernel that looks its results up finds the 256 bytes of the table this far behind `mult`, which has numbers for
// `outputs`.
constexpr int64_t table_offset(int64_t outputs, bool slope) { return (4 * outputs * (slope ? 2 : 1) + 63) / 64 * 64; }

// Scalars of the epilogue; see ops/QL_OPS.md, ql.Conv.
struct ConvEpilogue {
  float v_lo = 0, v_hi = 0;   // u8: out_lo - out_zero and out_hi - out_zero; f32: act_lo, act_hi
  int32_t out_zero = 0;       // u8
  float alpha = 0, beta = 0;  // f32: parameters of the other activations
  float residual_mult = 0;    // u8
  int32_t residual_zero = 0;  // u8
  static constexpr auto kFields =
      std::tuple{&ConvEpilogue::v_lo, &ConvEpilogue::v_hi,          &ConvEpilogue::out_zero,     &ConvEpilogue::alpha,
                 &ConvEpilogue::beta, &ConvEpilogue::residual_mult, &ConvEpilogue::residual_zero};
};

// One call computes `tiles` consecutive tiles of pv 16-pixel vectors for one block of `no` output channels.
// "Plane offset": bytes from the arena's base to pixel (0, 0) of image 0 of that plane; the launch code adds the
// image's and the first tile's offset to src, dst and residual once.
struct ConvArgs {
  const std::byte* src;       // arena base + image + first tile
  const int64_t* src_planes;  // plane offsets, sections one after the other
  const void* weights;        // as pack_conv_weights() packs them for the kernel's instruction set
  const void* bias;           // s32 or f32 [no]
  const float* mult;          // [no]; u8 sources only. Slopes, where the kernel has some: [no] more behind these;
                              // then its table, at table_offset()
  const float* shift;         // [no]; u8 -> f32 with a shift only
  const std::byte* clamp_lo;  // one 64-byte vector for each plane (the quad's 4 bytes, or the f32, repeated)
  const std::byte* clamp_hi;
  std::byte* dst;                  // arena base + image + first tile
  const int64_t* dst_planes;       // u8: one for each 4 outputs; f32: one for each output
  const uint32_t* dst_pad;         // bits stored into lanes that are no pixels, one for each entry of dst_planes
  const std::byte* residual;       // like dst
  const int64_t* residual_planes;  // like dst_planes
  const uint16_t* lanes;           // valid_lanes() of the destination from the first tile's first vector on
  const ConvEpilogue* epilogue;
  int64_t tiles;
  int64_t section_planes[kMaxConvSections];  // planes in each section
};

}  // namespace quadlane
