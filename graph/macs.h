// The work of a network.
#pragma once
#include "graph/graph.h"

namespace quadlane {

// Multiplications of a Conv, ConvTranspose, Gemm, MatMul or recurrent layer, zeros that are inserted not counted; 0 for
// all else.
double macs_of(const Graph&, const Node&);

}  // namespace quadlane
