#include "tools/cli/range_choice.h"

#include "graph/quant/quantize.h"
#include "ops/table.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/output_error.h"
#include "tools/cli/progress.h"

namespace quadlane::tools {
namespace {

constexpr size_t kMeasured = 12;

struct Split {
  CalibrationSource statistics, measured;
};

// Every fourth sample, of one or two samples all of them, is measured on.
Split split(const CalibrationSource& all) {
  Split parts;
  parts.statistics.pictures = parts.measured.pictures = all.pictures;
  const size_t count = all.samples.size();
  for (size_t i = 0; i < count; ++i) {
    const bool measure = i % 4 == 3 && parts.measured.samples.size() < kMeasured;
    (measure ? parts.measured : parts.statistics).samples.push_back(all.samples[i]);
  }
  if (parts.measured.samples.empty()) parts.measured = parts.statistics;
  return parts;
}

// The names of the values that get a range of their own, in the graph's order.
Result<std::vector<std::string>> ranged_values(const Graph& graph, const Profile& profile, const QuantPolicy& policy) {
  QuantReport report;
  QL_TRY(Graph unused, quantize(graph, op_table(), profile, policy, &report));
  std::vector<std::string> names;
  for (const QuantValue& value : report.values) names.push_back(value.name);
  return names;
}

Result<RangeChoice> choose_automatically(const Graph& graph, const CalibrationSource& source, QuantPolicy base) {
  if (source.profile)
    return invalid_argument("method auto measures on calibration inputs, --calib names saved statistics only");
  Split parts = split(source);
  std::vector<std::vector<Tensor>> samples;
  for (const Sample& sample : parts.measured.samples) {
    QL_TRY(auto read, read_samples(sample, graph, source));
    for (std::vector<Tensor>& tensors : read)
      if (samples.size() < kMeasured) samples.push_back(std::move(tensors));
  }
  RangeChoice choice;
  choice.measured_on = samples.size();
  QL_TRY(choice.profile, calibrate(graph, parts.statistics, true, &choice.notes));
  QL_TRY(OutputError error, OutputError::against(graph, std::move(samples)));
  QL_TRY(std::vector<std::string> values, ranged_values(graph, choice.profile, base));
  AutoOptions options;
  Progress progress("choosing ranges", static_cast<int64_t>(std::size(kRangeMethods)) + options.max_trials, "trials");
  auto measure = [&](const QuantPolicy& policy) -> Result<double> {
    QL_TRY(Graph int8, quantize(graph, op_table(), choice.profile, policy));
    progress.advance();
    return error.sqnr_db(int8);
  };
  QL_TRY(choice.policy, choose_methods(std::move(base), values, measure, options, &choice.report));
  if (parts.measured.samples != parts.statistics.samples) {
    QL_TRY(Profile rest, calibrate(graph, parts.measured, true, &choice.notes));
    QL_CHECK_OK(choice.profile.merge(rest));
  }
  return choice;
}

}  // namespace

Result<RangeChoice> choose_ranges(const Graph& graph, const CalibrationSource& source, const std::string& method,
                                  QuantPolicy base, bool histograms) {
  if (method == "auto") return choose_automatically(graph, source, std::move(base));
  std::optional<RangeMethod> chosen = range_method(method);
  if (!chosen) return invalid_argument("no method '", method, "'");
  RangeChoice choice;
  choice.policy = std::move(base);
  choice.policy.method = *chosen;
  histograms |= *chosen != RangeMethod::minmax && *chosen != RangeMethod::average;
  QL_TRY(choice.profile, calibrate(graph, source, histograms, &choice.notes));
  return choice;
}

}  // namespace quadlane::tools
