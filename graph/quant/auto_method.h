// Choosing the range method by measurement: every method for all tensors alike, then how much a channel's range leans
// on its tensor's, then the method tensor by tensor.
#pragma once

#include <functional>

#include "graph/quant/quantize.h"

namespace quadlane {

// How good a policy is: the signal-to-quantization-noise ratio at the network's outputs in dB, on samples whose
// statistics the profile does not hold. Measured where it will run.
using MeasurePolicy = std::function<Result<double>(const QuantPolicy&)>;

inline constexpr double kLeans[] = {0, 3};  // besides the policy's own
inline constexpr int kAutoWhole = static_cast<int>(std::size(kRangeMethods) + std::size(kLeans));  // trials of all

struct AutoOptions {
  int max_trials = 120;         // of single tensors
  double least_gain_db = 0.02;  // a smaller one is noise
};

struct AutoReport {
  std::vector<std::pair<RangeMethod, double>> single;  // SQNR of every method used for all tensors
  RangeMethod base = RangeMethod::minmax;              // the best of them
  double sqnr_db = 0;                                  // of the policy returned; at least the best single one's
  int trials = 0;
};

// Fills `method`, `headroom.lean` and `value_methods` of the policy. `values`: names of the values that have a range of
// their own.
Result<QuantPolicy> choose_methods(QuantPolicy, const std::vector<std::string>& values, const MeasurePolicy&,
                                   const AutoOptions& = {}, AutoReport* report = nullptr);

}  // namespace quadlane
