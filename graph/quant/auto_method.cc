#include "graph/quant/auto_method.h"

#include <algorithm>

namespace quadlane {

Result<QuantPolicy> choose_methods(QuantPolicy policy, const std::vector<std::string>& values,
                                   const MeasurePolicy& measure, const AutoOptions& options, AutoReport* report) {
  AutoReport unused;
  AutoReport& out = report ? *report : unused;
  out = {};
  policy.value_methods.clear();
  for (RangeMethod method : kRangeMethods) {
    policy.method = method;
    QL_TRY(double sqnr, measure(policy));
    out.single.emplace_back(method, sqnr);
  }
  std::vector<std::pair<RangeMethod, double>> ranked = out.single;
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  policy.method = out.base = ranked[0].first;
  out.sqnr_db = ranked[0].second;

  // A change stays when it pays.
  auto consider = [&](const QuantPolicy& trial) -> Status {
    QL_TRY(double sqnr, measure(trial));
    if (sqnr < out.sqnr_db + options.least_gain_db) return {};
    out.sqnr_db = sqnr;
    policy = trial;
    return {};
  };
  for (double lean : kLeans) {
    QuantPolicy trial = policy;
    trial.headroom.lean = lean;
    QL_CHECK_OK(consider(trial));
  }

  // The runners-up, for one tensor at a time, in the graph's order: what comes first disturbs everything behind it.
  for (const std::string& value : values)
    for (size_t i = 1; i < 3 && i < ranked.size() && out.trials < options.max_trials; ++i) {
      QuantPolicy trial = policy;
      trial.value_methods[value] = ranked[i].first;
      ++out.trials;
      QL_CHECK_OK(consider(trial));
    }
  return policy;
}

}  // namespace quadlane
