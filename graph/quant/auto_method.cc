#include "graph/quant/auto_method.h"

#include <algorithm>

namespace quadlane {
namespace {

constexpr const char* kAdaptive = " + adaptive";
constexpr double kLossOfUnlike = 1.5, kLeastGain = 0.2;  // dB; a smaller gain is not worth it

class Choice {
 public:
  Choice(const MeasurePolicy& measure, const AutoOptions& options, AutoReport& report)
      : measure_(measure), options_(options), report_(report) {}

  Status add(std::string name, const QuantPolicy& policy) {
    QL_TRY(std::vector<double> db, measure_(policy));
    if (db.empty()) return invalid_argument("nothing was measured for method ", name);
    if (minmax_.empty()) minmax_ = db;
    report_.candidates.push_back({std::move(name), policy, level_db(db), paired_gain(db, minmax_, options_.runs)});
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
    return suits && !paired_gain(measured_[best], measured_[nearest], options_.runs).beyond_noise() ? nearest : best;
  }

  const QuantPolicy& take(size_t i) {
    const AutoCandidate& one = report_.candidates[i];
    report_.base = one.name, report_.sqnr_db = one.sqnr_db, report_.gain = one.gain;
    return one.policy;
  }

 private:
  // The same ranges with weights rounded to nearest.
  size_t nearest_of(size_t chosen) const {
    for (size_t i = 0; i < measured_.size(); ++i)
      if (report_.candidates[i].name + kAdaptive == report_.candidates[chosen].name) return i;
    return chosen;
  }

  double level_gain(size_t i) const { return report_.candidates[i].sqnr_db - report_.candidates[0].sqnr_db; }
  // Ranges that cut what these inputs do not have may cut what the next one has. It is counted, too: unlike those seen.
  bool clearly_better(size_t i) const {
    const QuantPolicy& policy = report_.candidates[i].policy;
    const bool cuts = policy.method != RangeMethod::minmax || !policy.value_methods.empty();
    std::vector<double> db = measured_[i], before = minmax_;
    if (cuts) db.push_back(0), before.push_back(kLossOfUnlike);
    PairedGain gain = paired_gain(db, before);
    gain.error = std::max(gain.error, report_.candidates[i].gain.error);
    return gain.beyond_noise() && level_gain(i) >= kLeastGain;
  }
  double merit(size_t i) const { return report_.candidates[i].gain.mean + level_gain(i); }

  const MeasurePolicy& measure_;
  const AutoOptions& options_;
  AutoReport& report_;
  std::vector<double> minmax_;
  std::vector<std::vector<double>> measured_;
};

}  // namespace

Result<QuantPolicy> choose_methods(QuantPolicy policy, const std::map<std::string, RangeMethod>& mixed,
                                   const MeasurePolicy& measure, const AutoOptions& options, AutoReport* report) {
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
  return choice.take(choice.best());
}

}  // namespace quadlane
