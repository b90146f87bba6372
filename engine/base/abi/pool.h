// The calling conventions of generated pooling kernels.
//
// A pooling kernel makes whole rows. Which source rows a result row sees is a table made at plan time, so that rows in
// the padding are simply not among them; columns in the padding are masked out by the code. No padding value is ever
// part of a result.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quadlane {

struct PoolRow {
  int64_t src;      // bytes from pixel (0, 0) to pixel 0 of the first source row inside the image
  int32_t taps;     // source rows inside the image, >= 1, dilation * source pitch apart
  int32_t factors;  // average: byte offset of this row's PoolArgs::factors
};

struct PoolArgs {
  const std::byte* src;       // base of src_planes: arena + image
  const int64_t* src_planes;  // [planes]
  int64_t tap_row_bytes;      // dilation * source pitch
  const PoolRow* rows;        // [row_count], from the first result row on
  std::byte* dst;             // base of dst_planes: arena + image + first result row
  const int64_t* dst_planes;
  int64_t dst_row_bytes;
  const uint32_t* dst_pad;  // [planes]
  // Average only. A row of factors, W = w rounded up to 16:
  //   u8:  float m[W], int32 bias[W]:  y = rq(float(sum + bias[x]) * m[x]), bias = -(taps inside) * in_zero
  //   f32: float count[W]:             y = sum / count[x]
  const std::byte* factors;
  float v_lo, v_hi;  // u8: out_lo - out_zero, out_hi - out_zero
  int32_t out_zero;
  int32_t reserved;
  int64_t planes, row_count;
};

// Global average: one pixel for each plane.  u8: y = rq(float(sum + bias) * m);  f32: y = sum / m
struct GlobalPoolArgs {
  const std::byte* src;  // base of src_planes: arena + image
  const int64_t* src_planes;
  int64_t src_row_bytes;
  std::byte* dst;  // base of dst_planes: arena + image
  const int64_t* dst_planes;
  const uint32_t* dst_pad;
  float m;       // u8: mult / float(h * w), rounded; f32: float(h * w)
  int32_t bias;  // -h * w * in_zero
  float v_lo, v_hi;
  int32_t out_zero;
  int32_t reserved;
  int64_t planes, rows;  // rows: h
};

}  // namespace quadlane
