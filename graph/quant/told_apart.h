// The part of a range that functions of the value tell apart.
//
//   convolution -> byte -> table of a function f -> byte -> convolution
//
// Hard swish is 0 below -3, SiLU within 0.016 of 0 below -6. Where the calibrated values go on to -20, levels for these
// are spent on nothing: a byte saturates at either end, so everything below the least level reads as f of that level.
// The range of a channel is cut to [l, h] such that f of anything below l is no farther from f(l) than half a step of
// the bytes behind it, and of anything above h from f(h).
#pragma once

#include "graph/op_table.h"
#include "graph/quant/storage.h"

namespace quadlane {

// Cuts the ranges of the source's channels, if nothing but tables reads it.
Status cut_to_told_apart(const Graph&, const OpTable&, const StoragePlan&, size_t source, std::vector<Range>&);

}  // namespace quadlane
