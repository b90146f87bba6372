#include "graph/quant/headroom.h"

#include <algorithm>
#include <cmath>

namespace quadlane {
namespace {

constexpr double kRare = 0.02;       // share of active elements below which a channel was hardly seen,
constexpr double kWellKnown = 1000;  // unless they are as many

// The share of the way to the tensor's end that the ends of channel c move.
double lean_of(const Headroom& headroom, const ValueProfile& seen, size_t c, bool positive) {
  const double inputs = static_cast<double>(std::max<int64_t>(1, seen.observations));
  double unknown = 1 / std::sqrt(inputs);
  if (positive) {
    const double active = seen.positive[c] * static_cast<double>(seen.count);
    if (active > 0 && seen.positive[c] < kRare) unknown = std::max(unknown, kWellKnown / active);
  }
  return std::min(1.0, headroom.lean * unknown);
}

}  // namespace

void add_headroom(const Headroom& headroom, const ValueProfile& seen, std::vector<Range>& ranges, const Range& bounds) {
  const double few = 2 / (static_cast<double>(std::max<int64_t>(2, seen.count)) - 1);
  Range all = ranges[0];
  for (const Range& r : ranges) all = {std::min(all.low, r.low), std::max(all.high, r.high)};
  const bool positive = seen.lowest() == 0;
  for (size_t c = 0; c < ranges.size(); ++c) {
    Range& r = ranges[c];
    const double with_zero = std::max(r.high, 0.0) - std::min(r.low, 0.0);
    const double extra = (headroom.share * (r.high - r.low) + few * with_zero) / (positive ? 1 : 2);
    const double lean = lean_of(headroom, seen, c, positive);
    double below = lean * (r.low - all.low), above = lean * (all.high - r.high);
    if (!positive && seen.observations > 1 && seen.min[c] < seen.max[c]) {
      const double times = headroom.spread / std::sqrt(static_cast<double>(seen.observations));
      below = std::min(below, times * (seen.average_min[c] - seen.min[c]));
      above = std::min(above, times * (seen.max[c] - seen.average_max[c]));
    }
    if (!positive) r.low = std::min(r.low, std::max(r.low - std::max(extra, below), bounds.low));
    r.high = std::max(r.high, std::min(r.high + std::max(extra, above), bounds.high));
  }
}

}  // namespace quadlane
