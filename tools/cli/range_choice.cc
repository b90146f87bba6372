#include "tools/cli/range_choice.h"

#include "graph/quant/held_out_methods.h"
#include "ops/table.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/moments.h"
#include "tools/cli/output_error.h"
#include "tools/cli/progress.h"

namespace quadlane::tools {
namespace {

// Each fold is held out in turn, and a method has to be good on all of them. Inputs measured and, where rounding is
// judged, inputs of the others that moments are taken of.
constexpr size_t kFolds = 4, kMeasured = 12, kOfMoments = 24;

// Samples to take statistics from, and others to measure on.
struct Fold {
  CalibrationSource seen;
  Profile profile, held_out;
  OutputError error;
  std::shared_ptr<RangeMemory> memory = std::make_shared<RangeMemory>();
  std::shared_ptr<const InputMoments> moments = nullptr;  // of `seen`, once they are needed
};

// So many of them, or all.
std::vector<Sample> evenly(std::span<const Sample> samples, size_t most) {
  std::vector<Sample> some;
  for (size_t i = 0; i < std::min(most, samples.size()); ++i)
    some.push_back(samples[i * samples.size() / std::min(most, samples.size())]);
  return some;
}

Result<OutputError> error_on(const Graph& graph, const CalibrationSource& source, std::span<const Sample> from,
                             std::span<const QuantValue> ranged) {
  std::vector<std::vector<Tensor>> samples;
  for (const Sample& sample : evenly(from, kMeasured)) {
    QL_TRY(auto read, read_samples(sample, graph, source));
    for (std::vector<Tensor>& tensors : read)
      if (samples.size() < kMeasured) samples.push_back(std::move(tensors));
  }
  return OutputError::against(graph, std::move(samples), ranged);
}

// A part of the samples for each fold. Neighbours are alike, as slices of an exam or frames of a film are, so runs of
// them are held out together.
std::vector<CalibrationSource> parts_of(const CalibrationSource& all) {
  const size_t count = all.samples.size(), folds = std::min(count, kFolds);
  std::vector<CalibrationSource> parts(folds, all);
  for (CalibrationSource& part : parts) part.samples.clear(), part.others.clear();
  for (size_t i = 0; i < count; ++i) parts[i * folds / count].samples.push_back(all.samples[i]);
  for (size_t i = 0; i < all.others.size(); ++i) parts[i % folds].others.push_back(all.others[i]);
  return parts;
}

struct Folds {
  Profile all;
  std::vector<QuantValue> ranged;
  std::vector<Fold> folds;
  size_t measured = 0;  // inputs
};

// The values that get a range of their own, in the graph's order.
Result<std::vector<QuantValue>> ranged_values(const Graph& graph, const Profile& profile, const QuantPolicy& policy) {
  QuantReport report;
  QL_TRY(Graph unused, quantize(graph, op_table(), profile, policy, &report));
  return std::move(report.values);
}

// The statistics of each part, put together for each fold without what it measures on; of a single sample with it.
Result<Folds> make_folds(const Graph& graph, const CalibrationSource& source, std::vector<CalibrationSource> parts,
                         const QuantPolicy& policy, std::vector<std::string>& notes) {
  std::vector<Profile> profiles;
  Folds made{Profile(true), {}, {}, 0};
  for (const CalibrationSource& part : parts) {
    auto profile = calibrate(graph, part, true, &notes);
    // A part of constants alone; together with the others they may do.
    if (!profile.ok() && parts.size() > 1) return make_folds(graph, source, {source}, policy, notes);
    if (!profile.ok()) return std::move(profile).error();
    QL_CHECK_OK(made.all.merge(*profile));
    profiles.push_back(*std::move(profile));
  }
  QL_TRY(made.ranged, ranged_values(graph, made.all, policy));
  for (size_t k = 0; k < parts.size(); ++k) {
    Profile others(true);
    CalibrationSource seen = source;
    seen.samples.clear(), seen.others.clear();
    for (size_t j = 0; j < parts.size(); ++j) {
      if (j == k && parts.size() > 1) continue;
      QL_CHECK_OK(others.merge(profiles[j]));
      seen.samples.insert(seen.samples.end(), parts[j].samples.begin(), parts[j].samples.end());
      seen.others.insert(seen.others.end(), parts[j].others.begin(), parts[j].others.end());
    }
    QL_TRY(OutputError error, error_on(graph, source, parts[k].samples, made.ranged));
    made.measured += error.inputs();
    made.folds.push_back({std::move(seen), std::move(others), profiles[k], std::move(error)});
  }
  return made;
}

Result<std::map<std::string, RangeMethod>> mixed_methods(const std::vector<QuantValue>& values, QuantPolicy policy,
                                                         const std::vector<Fold>& folds) {
  std::vector<HeldOutStatistics> statistics;
  for (const Fold& fold : folds) statistics.push_back({&fold.profile, &fold.held_out, fold.memory});
  policy.method = RangeMethod::minmax;
  return methods_by_held_out_error(values, policy, statistics);
}

// With moments of its own for what is to be rounded adaptively.
Result<std::vector<double>> db_on(Fold& fold, const Graph& graph, QuantPolicy policy) {
  policy.memory = fold.memory;
  if (policy.moments && !fold.moments) {
    CalibrationSource some = fold.seen;
    some.samples = evenly(fold.seen.samples, kOfMoments);
    QL_TRY(fold.moments, input_moments(graph, some));
  }
  if (policy.moments) policy.moments = fold.moments;
  QuantReport report;
  QL_TRY(Graph int8, quantize(graph, op_table(), fold.profile, policy, &report));
  return fold.error.sqnr_db(int8, report.values);
}

Result<RangeChoice> choose_automatically(const Graph& graph, const CalibrationSource& source, QuantPolicy base,
                                         bool choose_rounding) {
  if (source.profile)
    return invalid_argument("method auto measures on calibration inputs, --calib names saved statistics only");
  RangeChoice choice;
  QL_TRY(Folds made, make_folds(graph, source, parts_of(source), base, choice.notes));
  choice.measured_on = made.measured;
  choice.by_classes = made.folds[0].error.counts_classes();
  choice.profile = std::move(made.all);
  QL_TRY(auto mixed, mixed_methods(made.ranged, base, made.folds));
  AutoOptions options;
  options.runs = made.folds.size();
  if (choose_rounding) {
    QL_TRY(options.moments, input_moments(graph, source));
  }
  Progress progress("choosing ranges", kAutoCandidates, "trials");
  auto measure = [&](const QuantPolicy& policy) -> Result<std::vector<double>> {
    std::vector<double> all;
    for (Fold& fold : made.folds) {
      QL_TRY(std::vector<double> db, db_on(fold, graph, policy));
      all.insert(all.end(), db.begin(), db.end());
    }
    progress.advance();
    return all;
  };
  QL_TRY(choice.policy, choose_methods(std::move(base), mixed, measure, options, &choice.report));
  return choice;
}

}  // namespace

bool needs_histograms(const std::string& method) { return method != "minmax" && method != "average"; }

Result<RangeChoice> choose_ranges(const Graph& graph, const CalibrationSource& source, const std::string& method,
                                  QuantPolicy base, bool histograms, bool choose_rounding) {
  if (method == "auto") return choose_automatically(graph, source, std::move(base), choose_rounding);
  std::optional<RangeMethod> chosen = range_method(method);
  if (!chosen) return invalid_argument("no method '", method, "'");
  RangeChoice choice;
  choice.policy = std::move(base);
  choice.policy.method = *chosen;
  QL_TRY(choice.profile, calibrate(graph, source, histograms || needs_histograms(method), &choice.notes));
  return choice;
}

}  // namespace quadlane::tools
