// Choosing the range method, and how weights are rounded, by measurement on held-out inputs.
//
// With few inputs the best of several figures is mostly the luckiest one. So everything is compared input by input with
// minmax, which cuts nothing, and that stays unless the difference is more than chance: the share of noise falls, and
// the mean gain in dB exceeds twice its standard error (neighbours count as alike), one input more counted on which
// another range loses 1.5 dB: what no input had is cut, and the next may have it. What is compared: every method for
// all values alike, and for each value the method with the least squared error on held-out inputs (held_out_methods.h);
// each of them that is not clearly worse with adaptive rounding, too, for what suits one rounding need not suit the
// other. The best has the highest sum of the mean gain, which the many inputs decide, and the level's, which the worst
// do; adaptive rounding is left out where the same ranges are as good to nearest but for chance.
#pragma once

#include <functional>

#include "graph/quant/paired.h"
#include "graph/quant/quantize.h"

namespace quadlane {

// How good a policy is: the signal-to-quantization-noise ratio at the network's outputs in dB, of each of some inputs
// whose statistics the profile does not hold, nor the moments, if the policy has any. Measured where it will run.
using MeasurePolicy = std::function<Result<std::vector<double>>(const QuantPolicy&)>;

struct AutoOptions {
  size_t runs = 1;                                        // of inputs that are alike (paired_gain)
  std::shared_ptr<const InputMoments> moments = nullptr;  // of all inputs: adaptive rounding is a candidate
};

struct AutoCandidate {
  std::string name;    // of the method, or "mixed"; "+ adaptive" rounding
  QuantPolicy policy;  // all values alike, or each by its own
  double sqnr_db = 0;  // level_db()
  PairedGain gain;     // over minmax
};

struct AutoReport {
  std::vector<AutoCandidate> candidates;  // minmax first
  std::string base;                       // the name of the chosen one
  double sqnr_db = 0;                     // of the policy returned; at least that of minmax
  PairedGain gain;                        // over minmax
};

inline constexpr int kAutoCandidates = 2 * (static_cast<int>(std::size(kRangeMethods)) + 1);

// Fills `method`, `value_methods` and `moments` of the policy. `mixed`: the method of each value that another than
// minmax suits better.
Result<QuantPolicy> choose_methods(QuantPolicy, const std::map<std::string, RangeMethod>& mixed, const MeasurePolicy&,
                                   const AutoOptions& = {}, AutoReport* report = nullptr);

}  // namespace quadlane
