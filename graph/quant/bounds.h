// What a value can be at all, whatever the input: the image of the function that makes it.
#pragma once

#include "graph/graph.h"
#include "graph/quant/ranges.h"

namespace quadlane {

// Of sigmoids, softmax, tanh, Clip, Relu, swish and the like, also behind pools, interpolation and moves; infinite ends
// where nothing is known.
Range bounds_of(const Graph&, ValueId);

}  // namespace quadlane
