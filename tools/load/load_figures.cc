#include "tools/load/load_figures.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "jit/peak.h"
#include "jit/rates.h"
#include "tools/cli/table.h"
#include "tools/measure/statistics.h"

namespace quadlane::tools {
namespace {

using Clock = std::chrono::steady_clock;

// The speed of one core just now; zeros where no generated code runs.
struct CoreSpeed {
  double peak = 0, clock = 0;
};
Result<CoreSpeed> core_speed(const Model& model) {
  if (model.isa() == Isa::reference) return CoreSpeed{};
  QL_TRY(double peak, measure_peak_gmacs(model.isa(), model.is_int8() ? DType::u8 : DType::f32));
  QL_TRY(MachineRates rates, measure_rates(model.isa()));
  return CoreSpeed{peak, rates.clock};
}

// Mean throughput with its uncertainty, from ten stretches of equal length.
void fill_throughput(LoadFigures& f, double images) {
  constexpr int kStretches = 10;
  const std::vector<double> ends = f.served.ends();
  f.requests_per_s = static_cast<double>(ends.size()) / f.served.seconds;
  f.throughput_fps = f.requests_per_s * images;
  if (ends.size() < 5 * kStretches) return;
  std::vector<double> rates;
  const size_t share = ends.size() / kStretches;
  for (size_t i = 0; i < kStretches; ++i) {
    const size_t first = i * share, last = first + share;
    const double begin = first ? ends[first - 1] : ends.back() - f.served.seconds;
    rates.push_back(static_cast<double>(share) * images / (ends[last - 1] - begin));
  }
  f.confidence_fps = measure::confidence95(rates);
}

// The first request after compiling, and what fallbacks cost.
Status first_run(StreamGroup& group, const Workload& w, Lane& lane, LoadFigures& f) {
  return group.run([&](int i, run::Stream& stream) -> Status {
    if (i > 0) return {};
    const Clock::time_point start = Clock::now();
    QL_CHECK_OK(stream.run(views_of(lane.inputs), lane.outputs.views()));
    f.first_inference_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    f.arena_bytes = stream.arena_bytes();
    QL_TRY(auto times, run::profile_run(stream, views_of(lane.inputs), lane.outputs.views()));
    f.fallbacks = run::fallbacks(w.model.plan(), times);
    return {};
  });
}

}  // namespace

Percentiles percentiles(const std::vector<double>& ms) {
  auto q = [&](double share) { return measure::quantile(ms, share); };
  return {q(0.5), q(0.9), q(0.95), q(0.99), q(1), q(0), measure::mean(ms)};
}

Result<LoadFigures> measure_load(const Workload& w, const ScenarioOptions& options) {
  LoadFigures f;
  f.scenario = options.scenario;
  QL_TRY(StreamGroup group, StreamGroup::open(w.model, w.settings));
  std::vector<Lane> lanes;
  for (int i = 0; i < group.size(); ++i) {
    QL_TRY(Lane lane, Lane::make(w.model, w.given, i + 1));
    lanes.push_back(std::move(lane));
  }
  QL_CHECK_OK(first_run(group, w, lanes[0], f));
  f.peak_bytes = measure::peak_memory();  // before anything is measured in buffers of its own
  f.copy = measure::measure_copy(detect_cpu());
  QL_TRY(CoreSpeed before, core_speed(w.model));
  const measure::CpuTime cpu_before = measure::CpuTime::now();
  QL_TRY(f.served, serve(group, lanes, options));
  const measure::CpuTime cpu_after = measure::CpuTime::now();
  QL_TRY(CoreSpeed after, core_speed(w.model));

  const std::vector<double> all = f.served.latencies_ms();
  f.requests = all.size();
  f.latency = percentiles(all);
  f.variation = measure::variation(all);
  for (const auto& requests : f.served.of_stream) {
    std::vector<double> ms;
    for (const Request& r : requests) ms.push_back(r.ms());
    if (!ms.empty()) f.of_stream.push_back(percentiles(ms));
  }
  fill_throughput(f, static_cast<double>(w.images_per_request()));
  const double all_requests = static_cast<double>(f.served.ends().size() + f.served.untimed);
  f.cpu_ms = 1e3 * (cpu_after.own - cpu_before.own) / all_requests;
  f.others = measure::other_load(cpu_before, cpu_after);
  f.clock_before = before.clock;
  f.clock_after = after.clock;
  f.resident_bytes = measure::resident_memory();
  f.gmac_per_s = f.requests_per_s * w.model.gmac();
  f.peak_gmac_per_s = std::max(before.peak, after.peak) * w.cores();
  const double counted = f.requests_per_s * std::min(w.model.gmac(), w.model.gmac_executed());
  f.percent_of_peak = f.peak_gmac_per_s > 0 ? 100 * counted / f.peak_gmac_per_s : NAN;
  return f;
}

namespace {

// The dearest of the steps without a kernel, by name.
std::string fallback_line(const LoadFigures& f, const Model& model) {
  constexpr size_t kNamed = 5;
  std::string steps;
  for (size_t i = 0; i < std::min(kNamed, f.fallbacks.size()); ++i) {
    const run::StepInfo& info = model.plan().steps[f.fallbacks[i].step]->info;
    steps += cat(i == 0 ? ": " : ", ", info.op, " '", info.name, "' ", fixed(100 * f.fallbacks[i].share, 1), " %");
  }
  if (f.fallbacks.size() > kNamed) steps += cat(", and ", f.fallbacks.size() - kNamed, " more");
  return cat(fixed(100 * run::total_share(f.fallbacks), 1), " % of the time goes to steps that no kernel exists for",
             steps);
}

}  // namespace

std::vector<std::string> doubts(const LoadFigures& f, const Workload& w) {
  constexpr size_t kRequests = 500;
  constexpr double kVariation = 0.025, kClock = 0.02, kOthers = 0.05, kFallbacks = 0.02;
  std::vector<std::string> lines;
  const bool waits = f.scenario == Scenario::server || f.scenario == Scenario::offline;  // in a queue
  if (!waits && f.variation > kVariation)
    lines.push_back(
        cat("latencies vary by ", fixed(100 * f.variation, 1),
            " % (deviation over mean, more than 2.5): believe the median, or measure longer on a quiet machine"));
  const double drift = f.clock_before > 0 ? f.clock_after / f.clock_before - 1 : 0;
  if (std::abs(drift) > kClock)
    lines.push_back(cat("the clock went from ", fixed(f.clock_before, 2), " to ", fixed(f.clock_after, 2),
                        " GHz meanwhile: shares of the peak are off by as much"));
  if (f.others > kOthers && f.served.seconds > 0.5)  // the system counts in hundredths of a second
    lines.push_back(cat("others used ", fixed(100 * f.others, 0), " % of the processors meanwhile"));
  if (w.settings.streams * w.settings.threads > w.usable_cores)
    lines.push_back(cat(w.settings.streams * w.settings.threads, " threads share ", w.usable_cores, " cores"));
  if (run::total_share(f.fallbacks) > kFallbacks) lines.push_back(fallback_line(f, w.model));
  if (w.random_calibration) lines.push_back("calibrated on random normal data: good for speed, not for results");
  if (f.scenario == Scenario::server && f.requests_per_s < 0.9 * f.served.rate)
    lines.push_back(cat("requests arrive at ", fixed(f.served.rate, 1), " a second and are done at ",
                        fixed(f.requests_per_s, 1), ": the longer this goes on, the longer they wait"));
  if (f.scenario == Scenario::server && f.requests < kRequests)
    lines.push_back(
        cat(f.requests, " requests say little of the slowest in 100: measure longer, for ", kRequests, " at least"));
  return lines;
}

}  // namespace quadlane::tools
