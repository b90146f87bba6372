#include "graph/quant/auto_method.h"

#include <algorithm>

namespace quadlane {
namespace {

class Choice {
 public:
  Choice(const MeasurePolicy& measure, const AutoOptions& options, AutoReport& report)
      : measure_(measure), options_(options), report_(report) {}

  Status add(std::string name, const QuantPolicy& policy) {
    QL_TRY(std::vector<double> db, measure_(policy));
    if (db.empty()) return invalid_argument("nothing was measured for method ", name);
    if (minmax_.empty()) minmax_ = db;
    report_.candidates.push_back({std::move(name), policy, level_db(db), paired_gain(db, minmax_)});
    measured_.push_back(std::move(db));
    return {};
  }

  // The best of those that are better than minmax by more than chance.
  QuantPolicy best() {
    for (size_t i = 0; i < measured_.size(); ++i) {
      const AutoCandidate &one = report_.candidates[i], &best = report_.candidates[chosen_];
      if (one.gain.beyond_noise() && one.sqnr_db >= best.sqnr_db + options_.least_gain_db) chosen_ = i;
    }
    const AutoCandidate& one = report_.candidates[chosen_];
    report_.base = one.name;
    report_.sqnr_db = one.sqnr_db;
    report_.gain = one.gain;
    now_ = measured_[chosen_];
    return one.policy;
  }

  // The methods of all values alike, from the best on, without the policy's own.
  std::vector<RangeMethod> runners_up(RangeMethod own) const {
    std::vector<const AutoCandidate*> ranked;
    for (const AutoCandidate& one : report_.candidates)
      if (one.policy.value_methods.empty() && one.policy.method != own) ranked.push_back(&one);
    std::stable_sort(ranked.begin(), ranked.end(), [](auto* a, auto* b) { return a->sqnr_db > b->sqnr_db; });
    std::vector<RangeMethod> methods;
    for (const AutoCandidate* one : ranked) methods.push_back(one->policy.method);
    return methods;
  }

  Status consider(const QuantPolicy& trial, QuantPolicy& policy) {
    ++report_.trials;
    QL_TRY(std::vector<double> db, measure_(trial));
    if (!paired_gain(db, now_).on_every_input()) return {};
    if (level_db(db) < report_.sqnr_db + options_.least_gain_db) return {};
    policy = trial;
    now_ = std::move(db);
    report_.sqnr_db = level_db(now_);
    report_.gain = paired_gain(now_, minmax_);
    return {};
  }

 private:
  const MeasurePolicy& measure_;
  const AutoOptions& options_;
  AutoReport& report_;
  std::vector<double> minmax_, now_;
  std::vector<std::vector<double>> measured_;
  size_t chosen_ = 0;
};

}  // namespace

Result<QuantPolicy> choose_methods(QuantPolicy policy, const std::map<std::string, RangeMethod>& mixed,
                                   std::span<const std::string> values, const MeasurePolicy& measure,
                                   const AutoOptions& options, AutoReport* report) {
  AutoReport unused;
  AutoReport& out = report ? *report : unused;
  out = {};
  Choice choice(measure, options, out);
  policy.value_methods.clear();
  for (RangeMethod method : kRangeMethods) {
    policy.method = method;
    QL_CHECK_OK(choice.add(std::string(to_string(method)), policy));
  }
  if (!mixed.empty()) {
    policy.method = RangeMethod::minmax;
    policy.value_methods = mixed;
    QL_CHECK_OK(choice.add("mixed", policy));
  }
  policy = choice.best();

  // For one value at a time, in the graph's order: what comes first disturbs everything behind it.
  const std::vector<RangeMethod> runners_up = choice.runners_up(policy.method);
  for (const std::string& value : values)
    for (size_t i = 0; i < 2 && i < runners_up.size() && out.trials < options.max_trials; ++i) {
      QuantPolicy trial = policy;
      trial.value_methods[value] = runners_up[i];
      QL_CHECK_OK(choice.consider(trial, policy));
    }
  return policy;
}

}  // namespace quadlane
