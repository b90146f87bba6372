// The work of a network.
#pragma once
#include "graph/graph.h"

namespace quadlane {

// Multiplications of a Conv, ConvTranspose, Gemm or MatMul, zeros that are inserted not counted; 0 for all else.
double macs_of(const Graph&, const Node&);

}  // namespace quadlane
