// How far values lie from those they should be: signal and noise, the largest error, and what is no number.
#pragma once

#include <cstdint>

namespace quadlane::measure {

inline constexpr double kEqualDb = 200;  // of values without any error

struct Deviation {
  double signal = 0, noise = 0;     // sums of squares
  double largest = 0, extreme = 0;  // error; magnitude of what should be
  int64_t unlike = 0;               // NaN or infinite on one side and something else on the other

  void add(double want, double got);
  // 10 log10(signal / noise), at most kEqualDb; NaN where values are unlike, or where nothing but zeros is wanted.
  double sqnr_db() const;
  double largest_error() const;   // NaN where values are unlike
  double relative_error() const;  // of the largest magnitude; the error itself where only zeros are wanted
};

}  // namespace quadlane::measure
