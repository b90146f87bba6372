#include "graph/quant/auto_method.h"

#include <algorithm>

namespace quadlane {
namespace {

constexpr const char* kAdaptive = " + adaptive";
constexpr double kLossOfUnlike = 1.5;  // dB

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

  // What was added so far, but for what is clearly worse, once more with these moments.
  Status add_adaptive(const std::shared_ptr<const InputMoments>& moments) {
    const std::vector<AutoCandidate> nearest = report_.candidates;
    for (const AutoCandidate& one : nearest) {
      if (one.gain.worse_beyond_noise()) continue;
      QuantPolicy policy = one.policy;
      policy.moments = moments;
      QL_CHECK_OK(add(one.name + kAdaptive, policy));
    }
    return {};
  }

  // Adaptive rounding only where it is worth its time: to nearest with the same ranges is clearly worse.
  size_t best() const {
    size_t best = 0;
    for (size_t i = 0; i < measured_.size(); ++i)
      if (clearly_better(i) && (best == 0 || merit(i) > merit(best))) best = i;
    const size_t nearest = nearest_of(best);
    const bool suits = nearest == 0 || clearly_better(nearest);
    return suits && !paired_gain(measured_[best], measured_[nearest]).beyond_noise() ? nearest : best;
  }

  // The same ranges with weights rounded to nearest.
  size_t nearest_of(size_t chosen) const {
    for (size_t i = 0; i < measured_.size(); ++i)
      if (report_.candidates[i].name + kAdaptive == report_.candidates[chosen].name) return i;
    return chosen;
  }

  const QuantPolicy& take(size_t i) {
    report_.base = report_.candidates[i].name;
    tell(measured_[i]);
    return report_.candidates[i].policy;
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
    tell(std::move(db));
    return {};
  }

  // Adaptive rounding behind changes of single values, unless it is worse.
  Status round_again(const std::shared_ptr<const InputMoments>& moments, QuantPolicy& policy) {
    QuantPolicy adaptive = policy;
    adaptive.moments = moments;
    QL_TRY(std::vector<double> db, measure_(adaptive));
    if (paired_gain(db, now_).worse_beyond_noise()) return {};
    policy = std::move(adaptive);
    tell(std::move(db));
    return {};
  }

 private:
  double level_gain(size_t i) const { return report_.candidates[i].sqnr_db - report_.candidates[0].sqnr_db; }
  // Ranges that cut what these inputs do not have may cut what the next one has. It is counted, too: unlike those seen.
  bool clearly_better(size_t i) const {
    const QuantPolicy& policy = report_.candidates[i].policy;
    const bool cuts = policy.method != RangeMethod::minmax || !policy.value_methods.empty();
    std::vector<double> db = measured_[i], before = minmax_;
    if (cuts) db.push_back(0), before.push_back(kLossOfUnlike);
    return paired_gain(db, before).beyond_noise() && level_gain(i) >= options_.least_gain_db;
  }
  double merit(size_t i) const { return report_.candidates[i].gain.mean + level_gain(i); }

  void tell(std::vector<double> db) {
    now_ = std::move(db);
    report_.sqnr_db = level_db(now_);
    report_.gain = paired_gain(now_, minmax_);
  }

  const MeasurePolicy& measure_;
  const AutoOptions& options_;
  AutoReport& report_;
  std::vector<double> minmax_, now_;
  std::vector<std::vector<double>> measured_;
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
  if (options.moments) QL_CHECK_OK(choice.add_adaptive(options.moments));
  const size_t best = choice.best();
  if (values.empty() || options.max_trials == 0) return choice.take(best);

  // For one value at a time, in the graph's order: what comes first disturbs everything behind it. Weights are rounded
  // to nearest meanwhile, which takes a fraction of the time.
  policy = choice.take(choice.nearest_of(best));
  const std::vector<RangeMethod> runners_up = choice.runners_up(policy.method);
  for (const std::string& value : values)
    for (size_t i = 0; i < 2 && i < runners_up.size() && out.trials < options.max_trials; ++i) {
      QuantPolicy trial = policy;
      trial.value_methods[value] = runners_up[i];
      QL_CHECK_OK(choice.consider(trial, policy));
    }
  if (const auto& moments = out.candidates[best].policy.moments) QL_CHECK_OK(choice.round_again(moments, policy));
  return policy;
}

}  // namespace quadlane
