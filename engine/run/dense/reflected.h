// Coordinates mirrored into an interval.
#pragma once

#include <cmath>

namespace quadlane::run {

inline double reflected(double x, double lo, double hi) {
  const double range = hi - lo, far = std::fabs(x - lo), rest = far - std::floor(far / (2 * range)) * (2 * range);
  const double inside = lo + (rest > range ? 2 * range - rest : rest);
  return hi > lo ? (x < lo || x > hi ? inside : x) : lo;
}

}  // namespace quadlane::run
