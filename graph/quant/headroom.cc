#include "graph/quant/headroom.h"

#include <algorithm>
#include <cmath>

namespace quadlane {

void add_headroom(const Headroom& headroom, const ValueProfile& seen, std::vector<Range>& ranges) {
  const double inputs = static_cast<double>(std::max<int64_t>(1, seen.observations));
  const double elements = static_cast<double>(std::max<int64_t>(2, seen.count));
  const double lean = std::min(1.0, headroom.lean / std::sqrt(inputs)), share = headroom.share + 2 / (elements - 1);
  Range all = ranges[0];
  for (const Range& r : ranges) all = {std::min(all.low, r.low), std::max(all.high, r.high)};
  const bool positive = seen.lowest() == 0;
  for (Range& r : ranges) {
    const double extra = share * (r.high - r.low) / (positive ? 1 : 2);
    if (!positive) r.low -= std::max(extra, lean * (r.low - all.low));
    r.high += std::max(extra, lean * (all.high - r.high));
  }
}

}  // namespace quadlane
