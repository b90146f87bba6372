// Room for what calibration did not show.
//
// A value beyond its range costs far more than a coarser step, and few inputs show little of what a channel can take
// on: of a face detector calibrated on four pictures, a fifth leaves the ranges of half of all channels by a tenth and
// more, and those of silent channels altogether. The tensor as a whole shows more than any of its channels. So every
// end of a channel's range
//   - moves the share  lean / sqrt(inputs)  of the way to the farthest end among all channels, or  lean * 1000 / active
//     elements  where that is more and a Relu let less than 2 % through, which was hardly seen in however many inputs:
//     of that detector, one channel that 10 of 4800 elements showed to reach 0.9 reaches 9.6 where a face is large. One
//     that was never active counts like any other: nothing bounds its weights, and the larger its range, the coarser
//     those of all others become. Where there are values of both signs it moves by no more than  spread * (the end -
//     what it is on average in an input) / sqrt(inputs): in front of a SiLU ranges of channels differ by hundreds of
//     times, and one that was alike in all inputs (but no constant) stays. And it
//   - is moved out by at least half of  width * share + width with 0 * 2 / (elements - 1):  a range known from m
//     elements is that much too narrow on average, were they spread evenly. It matters where a channel is a few
//     numbers, as behind a global pool, and these may be alike (1.90, 1.91, 1.92): their own width says nothing, so the
//     distance to 0 counts. The elements of one channel are counted even where all channels share the range: counting
//     all made two of six networks in the form for any engine 1 dB worse on pictures held out and none clearly better.
// 0 stays the bound of values that reach 0 and are never negative, as behind a Relu; and what the function that makes
// the values cannot give (bounds.h) gets no room.
#pragma once

#include <cmath>

#include "graph/quant/ranges.h"

namespace quadlane {

struct Headroom {
  double share = 0.04;  // of a range
  double lean = 1;      // on the tensor's range: 0: not at all
  double spread = 12;   // the most of it, in units of how far the inputs' own ends lie apart
};

void add_headroom(const Headroom&, const ValueProfile& seen, std::vector<Range>&,
                  const Range& bounds = {-HUGE_VAL, HUGE_VAL});

}  // namespace quadlane
