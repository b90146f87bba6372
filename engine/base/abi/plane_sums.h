// The calling convention of generated plane sums: one sum over all pixels of some planes of an image. The kernel leaves
// the sums of its lanes; the caller adds them, always in the same order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quadlane {

inline constexpr int kMostSumLanes = 16;

struct PlaneSumsArgs {
  const std::byte* src;       // base of src_planes: arena + image
  const int64_t* src_planes;  // [planes]
  int64_t src_row_bytes;
  void* lanes;   // double[lanes], maximum: float[lanes]; 64-byte aligned
  float center;  // squares: what is subtracted from every pixel
  int32_t reserved;
  int64_t planes, rows;
};

}  // namespace quadlane
