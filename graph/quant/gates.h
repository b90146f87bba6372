// Convolutions that compute gates of channels: squeeze and excite.
//
//   map [N,C,H,W] -> GlobalAveragePool -> Conv -> Relu -> Conv -> Sigmoid [N,C,1,1] -> Mul(map)
//
// A channel is one number for each input there. Calibration on a few inputs shows a few numbers, which say nothing about
// the range of the next one, and a gate that saturates scales a whole channel wrongly. There is next to nothing to
// multiply, so they stay in fp32: the pool adds up bytes (ql.DequantizedMean), the gate itself is bytes again.
#pragma once

#include "graph/graph.h"

namespace quadlane {

bool computes_gates(const Graph&, const Node& conv);

}  // namespace quadlane
