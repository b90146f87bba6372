// Room for what calibration did not show.
//
// A value beyond its range costs far more than a coarser step, and few inputs show little of what a channel can take
// on: of a face detector calibrated on four pictures, a fifth leaves the ranges of half of all channels by a tenth and
// more, and those of silent channels altogether. The tensor as a whole shows more than any of its channels. So every
// end of a channel's range
//   - moves the share lean / sqrt(inputs) of the way to the farthest end among all channels, and
//   - is moved out by at least half of  width * (share + 2 / (elements - 1)):  a range known from m elements is that
//     much too narrow on average, were they spread evenly; it matters where a channel is a few numbers, as behind a
//     global pool.
// 0 stays a bound that values without negative ones do not cross.
#pragma once

#include "graph/quant/ranges.h"

namespace quadlane {

struct Headroom {
  double share = 0.04;  // of a range
  double lean = 1;      // on the tensor's range: 0: not at all
};

void add_headroom(const Headroom&, const ValueProfile& seen, std::vector<Range>&);

}  // namespace quadlane
