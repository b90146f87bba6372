// What strided steps reach, of extents and strides that a file names.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quadlane::run {

// The lowest and the highest element that steps along axes reach.
struct Reach {
  __int128 low, high;
  explicit Reach(int64_t start) : low(start), high(start) {}
  void along(int64_t extent, int64_t step) {
    const __int128 far = static_cast<__int128>(extent - 1) * step;
    (far < 0 ? low : high) += far;
  }
  bool within(size_t bytes, size_t element_bytes) const {
    return low >= 0 && (high + 1) * static_cast<__int128>(element_bytes) <= static_cast<__int128>(bytes);
  }
};

inline constexpr int64_t kMostExtent = int64_t{1} << 40;
inline bool is_extent(int64_t extent) { return extent >= 1 && extent <= kMostExtent; }
inline bool is_step(int64_t step) { return step >= -kMostExtent && step <= kMostExtent; }

}  // namespace quadlane::run
