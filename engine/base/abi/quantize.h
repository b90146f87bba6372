// The calling convention of the generated quantize and dequantize kernels: f32 rows <-> u8 quad planes.
//
//   quantize:    dst[p].byte(j) = rq(src_j[p] * inv_scale[j], zero[j], 0, 255); NaN -> zero[j]
//   with `divides`, src_j[p] / scale[j] stands for the product: what QuantizeLinear defines
//   dequantize:  dst_j[p] = float(src[p].byte(j) - zero[j]) * scale[j]
//
// The f32 side is any set of rows: a user's dense NCHW tensor or f32 planes. Exactly w floats of a row are read;
// written are w floats and the gap. Arrays of channels have four entries for each plane, in the order of the quad's
// bytes; the offsets of bytes that are not among the kernel's channels are ignored.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quadlane {

struct QuantizeArgs {
  const std::byte* src;         // base of src_channels
  const int64_t* src_channels;  // [4 * planes] bytes from src to the channel's first float
  int64_t src_row_bytes;
  const float* inv_scale;     // [4 * planes]; scales for a kernel that divides
  const int32_t* zero;        // [4 * planes]; stored as they are into bytes that are no channel
  std::byte* dst;             // base of dst_planes: arena + image + first row
  const int64_t* dst_planes;  // [planes]
  int64_t dst_row_bytes;
  const uint32_t* dst_pad;  // [planes]
  int64_t planes, rows;
};

struct DequantizeArgs {
  const std::byte* src;       // base of src_planes: arena + image + first row
  const int64_t* src_planes;  // [planes]
  int64_t src_row_bytes;
  const float* scale;           // [4 * planes]
  const int32_t* zero;          // [4 * planes]
  std::byte* dst;               // base of dst_channels
  const int64_t* dst_channels;  // [4 * planes]
  int64_t dst_row_bytes;
  const uint32_t* dst_pad;  // [4 * planes]; f32 bits for the gap, unused without one
  int64_t planes, rows;
};

// ranges[p] = min(0, the least value of plane p), max(0, the largest); NaN counts for nothing
struct RangeArgs {
  const std::byte* src;       // arena + image
  const int64_t* src_planes;  // [planes]
  int64_t src_row_bytes;
  float* ranges;  // [planes][2]
  int64_t planes, rows;
};

}  // namespace quadlane
