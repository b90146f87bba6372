#include "graph/quant/held_out_methods.h"

#include <algorithm>
#include <cmath>

namespace quadlane {
namespace {

constexpr double kClearlyLess = 0.98;  // of the error of the policy's method

// Of all channels together, each range with 0 in it.
Result<double> error_of(const QuantValue& value, const QuantPolicy& policy, const HeldOutStatistics& fold) {
  const ValueProfile *seen = fold.seen->find(value.name), *others = fold.held_out->find(value.name);
  if (!seen || !others || others->histograms.empty()) return 0.0;
  const bool shared =
      std::all_of(value.scale.begin(), value.scale.end(), [&](double s) { return s == value.scale[0]; });
  QL_TRY(std::vector<Range> ranges, policy.ranges(value.name, *seen, shared));
  if (!value.given) add_headroom(policy.headroom, *seen, ranges, value.bounds);
  double sum = 0;
  for (size_t c = 0; c < ranges.size(); ++c)
    sum += expected_error(others->histograms[c], {std::min(ranges[c].low, 0.0), std::max(ranges[c].high, 0.0)});
  return sum;
}

Result<double> error_of(const QuantValue& value, QuantPolicy policy, std::span<const HeldOutStatistics> folds) {
  double sum = 0;
  for (const HeldOutStatistics& fold : folds) {
    policy.memory = fold.memory;
    QL_TRY(double error, error_of(value, policy, fold));
    sum += error;
  }
  return sum;
}

}  // namespace

Result<std::map<std::string, RangeMethod>> methods_by_held_out_error(const std::vector<QuantValue>& values,
                                                                     const QuantPolicy& policy,
                                                                     std::span<const HeldOutStatistics> folds) {
  std::map<std::string, RangeMethod> chosen;
  for (const QuantValue& value : values) {
    QuantPolicy trial = policy;
    QL_TRY(double least, error_of(value, trial, folds));
    least *= kClearlyLess;
    for (RangeMethod method : kRangeMethods) {
      trial.method = method;
      QL_TRY(double error, error_of(value, trial, folds));
      if (error < least) least = error, chosen[value.name] = method;
    }
  }
  return chosen;
}

}  // namespace quadlane
