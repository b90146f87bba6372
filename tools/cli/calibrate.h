// Calibration with the engine itself: every activation of the graph is made an output and observed.
#pragma once

#include <functional>

#include "graph/quant/calibrate.h"
#include "tools/cli/samples.h"

namespace quadlane::tools {

// Runs the simplified graph in fp32 by generated code, all usable cores. The graph must outlive it.
Result<Evaluate> engine_evaluator(const Graph& simplified);

// Statistics over the samples, with progress; one sample in memory at a time. Saved statistics are taken as they are.
// `notes`: what the user should know about the samples.
Result<Profile> calibrate(const Graph& simplified, const CalibrationSource&, bool histograms = false,
                          std::vector<std::string>* notes = nullptr);
Result<Profile> calibrate(const Graph& simplified, std::span<const std::vector<Tensor>> samples);

}  // namespace quadlane::tools
