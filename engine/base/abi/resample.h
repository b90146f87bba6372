// The calling convention of generated resample kernels (ql.Resize): whole result rows from one or two source rows.
//
// Which source rows and columns a result needs, and with which weights, are tables made at plan time; the 2x kernels
// use only the rows' part of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quadlane {

struct ResampleRow {
  int64_t first, second;       // bytes from pixel (0, 0) to pixel 0 of the source rows; both inside the image
  uint32_t w_first, w_second;  // u8: 2048 - fy, fy; f32: 1 - fy and fy as bits. Nearest: unused.
};

// Columns of the table kernels, W = w rounded up to 16; entries behind w are 0.
//   nearest:    int32 first[W]                               bytes from the row's pixel 0
//   linear u8:  int32 first[W], second[W], uint32 pair[W]    pair = (2048 - fx) | fx << 16
//   linear f32: int32 first[W], second[W], float w_first[W], w_second[W]
// With windows: first and second are lanes of a window of source pixels; behind the lists above stand int32 from[W] for
// first and, linear, for second: where the windows begin, in bytes, at the first entry of each register. AVX-512 has
// one window for both.
struct ResampleArgs {
  const std::byte* src;       // base of src_planes: arena + image
  const int64_t* src_planes;  // [planes]
  const ResampleRow* rows;    // [row_count], from the first result row on
  const std::byte* columns;
  std::byte* dst;  // base of dst_planes: arena + image + first result row
  const int64_t* dst_planes;
  int64_t dst_row_bytes;
  const uint32_t* dst_pad;
  int64_t planes, row_count;
};

}  // namespace quadlane
