// What adaptive rounding needs to know about the calibration inputs.
#pragma once

#include "graph/quant/input_moments.h"
#include "tools/cli/samples.h"

namespace quadlane::tools {

// Runs the simplified graph in fp32 on every sample; samples of other shapes than the graph's are left out.
Result<std::shared_ptr<const InputMoments>> input_moments(const Graph& simplified, const CalibrationSource&);

}  // namespace quadlane::tools
