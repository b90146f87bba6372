#include "tools/measure/deviation.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quadlane::measure {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void Deviation::add(double want, double got) {
  if (!std::isfinite(want) || !std::isfinite(got)) {
    unlike += want != got && !(std::isnan(want) && std::isnan(got));
    return;
  }
  const double error = got - want;
  signal += want * want;
  noise += error * error;
  largest = std::max(largest, std::abs(error));
  extreme = std::max(extreme, std::abs(want));
}

double Deviation::sqnr_db() const {
  if (unlike > 0) return kNaN;
  if (noise == 0) return kEqualDb;
  return signal > 0 ? std::min(kEqualDb, 10 * std::log10(signal / noise)) : kNaN;
}

double Deviation::largest_error() const { return unlike > 0 ? kNaN : largest; }

double Deviation::relative_error() const { return extreme > 0 ? largest_error() / extreme : largest_error(); }

}  // namespace quadlane::measure
