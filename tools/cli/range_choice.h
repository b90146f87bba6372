// From --method to the ranges a model is quantized with.
#pragma once

#include "graph/quant/auto_method.h"
#include "tools/cli/samples.h"

namespace quadlane::tools {

struct RangeChoice {
  Profile profile;          // of all calibration inputs
  QuantPolicy policy;       // with the methods chosen
  AutoReport report;        // of --method auto
  size_t measured_on = 0;   // inputs that auto was measured on
  bool by_classes = false;  // their outputs are integers: dB of the share that differs
  std::vector<std::string> notes;
};

// Whether it looks at more than the extremes.
bool needs_histograms(const std::string& method);

// `histograms`: take them even where the method needs none. `method`: minmax, average, percentile, entropy, mse, or
// auto. auto keeps runs of neighbouring samples out of the statistics, each in turn, while it compares methods on the
// int8 network itself. `choose_rounding`: then adaptive rounding is compared, too, and the policy has the moments of
// all samples if it is chosen.
Result<RangeChoice> choose_ranges(const Graph& simplified, const CalibrationSource&, const std::string& method,
                                  QuantPolicy base, bool histograms = false, bool choose_rounding = false);

}  // namespace quadlane::tools
