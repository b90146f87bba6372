// Bias correction by measurement: layer after layer, what int8 adds to the mean of a convolution's channels on real
// inputs is taken back by its bias. The statistics' own correction knows what rounding weights does to means; this one
// sees everything before the layer too: clipping, thresholds between levels, borders.
#pragma once

#include "graph/quant/quantize.h"
#include "tools/cli/samples.h"

namespace quadlane::tools {

// Fills policy.bias_shift. A convolution counts whose result is stored as bytes or is an output of the network.
Status measure_bias(const Graph& fp32, const Profile&, std::span<const Sample>, const CalibrationSource&, QuantPolicy&);

}  // namespace quadlane::tools
