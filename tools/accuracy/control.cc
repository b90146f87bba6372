#include "tools/accuracy/control.h"

#include "ops/table.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/progress.h"

namespace quadlane::tools {
namespace {

constexpr size_t kFewestSamples = 8, kManySamples = 64;

// Inputs that choose, which run for every trial, and inputs that check, which run for few. 380 answers without a change
// are what it takes to say that no more than one in a hundred changes.
struct MostInputs {
  size_t tuning, held_out;
};
constexpr MostInputs kMost{24, 96}, kMostOfAnswers{96, 400};

// Leaves `most` of the samples, evenly spaced; the others go to `rest`.
void keep_evenly(std::vector<Sample>& samples, size_t most, std::vector<Sample>& rest) {
  if (samples.size() <= most) return;
  std::vector<Sample> kept;
  for (size_t i = 0; i < samples.size(); ++i)
    (i * most / samples.size() < (i + 1) * most / samples.size() ? kept : rest).push_back(std::move(samples[i]));
  samples = std::move(kept);
}

Result<Graph> with_kept(const Graph& fp32, const Profile& profile, QuantPolicy policy,
                        const std::set<std::string>& keep) {
  policy.keep_f32.insert(keep.begin(), keep.end());
  return quantize(fp32, op_table(), profile, policy);
}

// Few inputs show too little for some to be left out of what is written, if the bound is met with all of them.
Status count_all_inputs(const Graph& fp32, const Profile& profile, const QuantPolicy& policy, const SampleParts& parts,
                        const Evaluator& tuning, const Evaluator& held_out, double max_drop, ControlResult& result) {
  CalibrationSource others = parts.statistics;
  others.samples = parts.tuning;
  others.samples.insert(others.samples.end(), parts.held_out.begin(), parts.held_out.end());
  others.others.clear();
  others.profile.reset();  // equalizing may have left that of the statistics there
  QL_TRY(Profile all, calibrate(fp32, others, profile.histograms()));
  QL_CHECK_OK(all.merge(profile));
  QL_TRY(const Graph graph, with_kept(fp32, all, policy, result.layers.keep));
  for (const Evaluator* evaluator : {&tuning, &held_out}) {
    QL_TRY(const NetworkLoss loss, evaluator->loss(graph));
    if (loss.bounded() > max_drop) return {};
  }
  result.all = std::move(all);
  return {};
}

// What the kept layers cost, together and each alone.
Status measure_costs(const Graph& fp32, const Profile& profile, const QuantPolicy& policy, const Evaluator& tuning,
                     ControlResult& result) {
  const std::set<std::string>& keep = result.layers.keep;
  if (keep.empty() || !result.layers.met) return {};
  QL_TRY(const Graph int8, with_kept(fp32, profile, policy, {}));
  QL_TRY(const Graph mixed, with_kept(fp32, profile, policy, keep));
  QL_TRY(const std::vector<double> all, tuning.ms_in_turn(std::vector{fp32, int8, mixed}));
  result.fp32_ms = all[0], result.int8_ms = all[1], result.ms = all[2];
  Progress progress("time of what is kept", static_cast<int64_t>(keep.size()), "layers");
  for (const std::string& layer : keep) {
    QL_TRY(const Graph one, with_kept(fp32, profile, policy, {layer}));
    QL_TRY(const std::vector<double> two, tuning.ms_in_turn(std::vector{int8, one}));
    result.cost_ms[layer] = two[1] - two[0];
    progress.advance();
  }
  return {};
}

}  // namespace

// Neighbours are alike, as slices of an exam are, so runs of them go to one part. A class is one answer a sample where
// a mask is thousands: it takes more samples to tune by.
SampleParts split_in_three(const CalibrationSource& all, Metric metric) {
  SampleParts parts;
  parts.statistics = all;
  if (all.samples.size() < kFewestSamples) {
    parts.tuning = parts.held_out = all.samples;
    parts.apart = false;
    parts.note = cat("only ", all.samples.size(), " calibration inputs: none are held out");
    return parts;
  }
  parts.statistics.samples.clear();
  const size_t count = all.samples.size(), runs = count < kManySamples ? 4 : 8;
  for (size_t i = 0; i < count; ++i) {
    const size_t run = i * runs / count % 4;
    (run == 1 ? parts.tuning : run == 3 ? parts.held_out : parts.statistics.samples).push_back(all.samples[i]);
  }
  const MostInputs& most_of = metric == Metric::top1 ? kMostOfAnswers : kMost;
  for (auto [part, most] : {std::pair(&parts.tuning, most_of.tuning), std::pair(&parts.held_out, most_of.held_out)})
    keep_evenly(*part, most, parts.statistics.samples);
  return parts;
}

Result<ControlResult> control_accuracy(const Graph& fp32, const Profile& profile, const QuantPolicy& policy,
                                       const SampleParts& parts, const DropBound& bound) {
  std::optional<Labels> labels;
  if (!bound.labels.empty()) {
    QL_TRY(labels, Labels::open(bound.labels, bound.metric, parts.statistics.pictures));
  }
  const Labels* known = labels ? &*labels : nullptr;
  QL_TRY(Evaluator tuning, Evaluator::against(fp32, parts.tuning, parts.statistics, bound.metric, known));
  QL_TRY(Evaluator held_out, Evaluator::against(fp32, parts.held_out, parts.statistics, bound.metric, known));
  QuantPolicy remembering = policy;
  remembering.memory = std::make_shared<RangeMemory>();
  QuantReport report;  // whatever does not become int8 anyway has nothing to be measured
  QL_TRY(Graph unused, quantize(fp32, op_table(), profile, remembering, &report));
  const std::vector<std::string>& convs = report.int8;
  Progress progress("sensitivity", static_cast<int64_t>(2 * convs.size()) + 1, "trials");
  auto measure_on = [&](const Evaluator& evaluator) {
    return [&](const std::set<std::string>& keep) -> Result<NetworkLoss> {
      QL_TRY(Graph graph, with_kept(fp32, profile, remembering, keep));
      progress.advance();
      return evaluator.loss(graph);
    };
  };
  ControlResult result;
  QL_TRY(result.layers, keep_layers(convs, {bound.max_drop, bound.most}, measure_on(tuning), measure_on(held_out)));
  if (result.layers.met && parts.apart)
    QL_CHECK_OK(count_all_inputs(fp32, profile, policy, parts, tuning, held_out, bound.max_drop, result));
  if (parts.apart && held_out.inputs() > 1) {
    const Profile& used = result.all ? *result.all : profile;
    QL_TRY(const Graph written, with_kept(fp32, used, policy, result.layers.keep));
    QL_TRY(result.interval, held_out.interval(written));
  }
  QL_CHECK_OK(measure_costs(fp32, profile, remembering, tuning, result));
  result.fp32_score = tuning.fp32_score();
  result.fp32_held_out = held_out.fp32_score();
  result.tuning = tuning.inputs();
  result.held_out = held_out.inputs();
  result.apart = parts.apart;
  return result;
}

}  // namespace quadlane::tools
