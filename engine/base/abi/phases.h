// The calling conventions of generated phase kernels: space to depth for strided convolutions, and back for transposed
// ones. They move pixels and know nothing of what is in them.
//
//   split:       dst_k(y, x) = src(row(y), stride * x + k)     for the wanted column phases k; row phases are row
//   tables interleave:  dst(y, stride * x + k) = src_k(y, x)
#pragma once

#include <cstddef>
#include <cstdint>

namespace quadlane {

inline constexpr int64_t kNoRow = INT64_MIN;

struct PhaseSplitArgs {
  const std::byte* src;       // base of src_planes: arena + image
  const int64_t* src_planes;  // [planes]
  const int64_t* src_rows;    // [rows] bytes from pixel (0, 0) to pixel 0 of the source row, or kNoRow: all padding
  std::byte* dst;             // base of dst_planes: arena + image + first result row
  const int64_t* dst_planes;  // [planes][wanted phases]
  int64_t dst_row_bytes;
  const uint32_t* dst_pad;  // [planes]
  int64_t planes, rows;
};

struct PhaseInterleaveArgs {
  const std::byte* src;       // base of src_planes: arena + image + first source row
  const int64_t* src_planes;  // [planes][stride]: plane of phase k; a crop on the left is a shift of these offsets
  int64_t src_row_bytes;
  std::byte* dst;             // base of dst_planes: arena + image + first result row
  const int64_t* dst_planes;  // [planes]
  int64_t dst_row_bytes;      // stride * pitch when a call makes the rows of one row phase
  const uint32_t* dst_pad;    // [planes]
  int64_t planes, rows;
};

}  // namespace quadlane
