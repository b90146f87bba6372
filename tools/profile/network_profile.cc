#include "tools/profile/network_profile.h"

#include <algorithm>
#include <barrier>
#include <numeric>

#include "tools/cli/listing.h"
#include "tools/cli/progress.h"
#include "tools/cli/table.h"
#include "tools/profile/near_times.h"

namespace quadlane::tools {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMostRuns = 5000, kLeastRuns = 5, kTracedRuns = 3, kKeptRuns = 200;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Recording {
  Lane lane;
  std::unique_ptr<StepTimes> times, traced;
  std::vector<double> plain;  // seconds
};

Result<double> timed_run(run::Stream& stream, const Lane& lane, std::span<const View> inputs, StepTimes* times) {
  const Clock::time_point start = Clock::now();
  QL_CHECK_OK(stream.run(inputs, lane.outputs.views(), times));
  return seconds_since(start);
}

Status record(run::Stream& stream, Recording& r, double seconds, Progress* progress) {
  const std::vector<View> inputs = views_of(r.lane.inputs);
  for (int i = 0; i < 2; ++i) QL_CHECK_OK(stream.run(inputs, r.lane.outputs.views()));
  const Clock::time_point start = Clock::now();
  while (r.plain.size() < kMostRuns && (seconds_since(start) < seconds || r.plain.size() < kLeastRuns)) {
    QL_TRY(double plain, timed_run(stream, r.lane, inputs, nullptr));
    r.plain.push_back(plain);
    QL_TRY(double instrumented, timed_run(stream, r.lane, inputs, r.times.get()));
    r.times->run_done(instrumented);
    if (progress) progress->set(static_cast<int64_t>(seconds_since(start)));
  }
  return {};
}

// Some runs for the timeline, begun by all streams at the same time.
Status trace(run::Stream& stream, Recording& r, std::barrier<>& all) {
  const std::vector<View> inputs = views_of(r.lane.inputs);
  Status status = stream.run(inputs, r.lane.outputs.views());
  all.arrive_and_wait();
  for (size_t i = 0; i < kTracedRuns && status.ok(); ++i)
    status = stream.run(inputs, r.lane.outputs.views(), r.traced.get());
  return status;
}

// Some further runs under the counters, on the calling thread.
Status count(run::Stream& stream, const Lane& lane, NetworkProfile& profile) {
  constexpr int kRuns = 5;
  measure::Counters counters;
  const std::vector<View> inputs = views_of(lane.inputs);
  for (int i = 0; i < kRuns; ++i) {
    counters.start();
    QL_CHECK_OK(stream.run(inputs, lane.outputs.views()));
    counters.stop();
  }
  profile.counters = counters.values();
  for (auto& value : profile.counters)
    if (value.count) *value.count /= kRuns;
  profile.counters_remark = counters.remark();
  return {};
}

Status fill_layers(NetworkProfile& profile, const Model& model, const std::vector<Recording>& recordings,
                   double seconds) {
  const run::Plan& plan = model.plan();
  const size_t plan_bytes = plan.arena_bytes + plan.weights.size();
  QL_TRY(const std::vector<NearTime> near, measure_near_times(plan, profile.machine.cpu.l2_bytes, seconds));
  double sum = 0;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    LayerProfile layer{&plan.steps[s]->info};
    std::vector<double> seconds;
    for (const Recording& r : recordings)
      seconds.insert(seconds.end(), r.times->of_step(s).begin(), r.times->of_step(s).end());
    const measure::Spread spread = measure::spread(seconds);
    layer.ms = {spread.median * 1e3, spread.min * 1e3, spread.max * 1e3};
    sum += layer.ms.median;
    layer.loops = hot_loop_of(plan, *layer.info);
    layer.waiting = near[s].waiting();
    const Taken taken{layer.ms.median, layer.waiting * layer.ms.median};
    layer.limits = limits_of(*layer.info, layer.loops, profile.machine, taken, plan_bytes, profile.settings.threads);
    layer.bound = layer.limits.bound(layer.ms.median);
    if (layer.info->reference) layer.bound.name = "reference";
    profile.layers.push_back(layer);
  }
  double cumulative = 0;
  for (LayerProfile& layer : profile.layers) {
    layer.share = layer.ms.median / sum;
    layer.cumulative = cumulative += layer.share;
  }
  return {};
}

void fill_totals(NetworkProfile& profile, const std::vector<Recording>& recordings) {
  std::vector<double> plain, instrumented, explained;
  for (const Recording& r : recordings) {
    plain.insert(plain.end(), r.plain.begin(), r.plain.end());
    const std::vector<double>& runs = r.times->of_runs();
    instrumented.insert(instrumented.end(), runs.begin(), runs.end());
    for (size_t i = 0; i < runs.size(); ++i) {
      double steps = 0;
      for (size_t s = 0; s < profile.layers.size(); ++s) steps += r.times->of_step(s)[i];
      explained.push_back(steps / runs[i]);
    }
    profile.parts.push_back(r.traced->parts());
  }
  for (size_t i = 0; i < kKeptRuns && i < plain.size(); ++i)
    profile.runs_ms.push_back(1e3 * plain[i * plain.size() / std::min(kKeptRuns, plain.size())]);
  profile.plain_ms = 1e3 * measure::median(plain);
  profile.instrumented_ms = 1e3 * measure::median(instrumented);
  profile.explained = measure::median(explained);
  profile.runs = recordings[0].plain.size();
}

}  // namespace

double NetworkProfile::percent_of_peak(const LayerProfile& layer) const {
  const double peak = machine.peak(layer.info->int8) * settings.threads;
  return peak > 0 ? 100 * layer.gmac_per_s() / peak : 0;
}

std::vector<std::string> NetworkProfile::warnings() const {
  constexpr double kMostOthers = 0.05, kMostPerturbation = 0.03, kLeastExplained = 0.97;
  std::vector<std::string> list;
  auto percent = [](double share) { return cat(fixed(100 * share, 1), " %"); };
  if (other_load > kMostOthers)
    list.push_back(
        cat("others used ", percent(other_load), " of the processors meanwhile: times and waiting are theirs, too"));
  if (perturbation() > kMostPerturbation)
    list.push_back(cat("a clock around every step made runs ", percent(perturbation()),
                       " longer: short steps take less than is said here"));
  if (explained < kLeastExplained)
    list.push_back(cat("the layers explain ", percent(explained),
                       " of a run: the rest passes between them, where the steps are that short"));
  return list;
}

Result<NetworkProfile> profile_network(const Workload& workload, double seconds) {
  NetworkProfile profile;
  profile.settings = workload.settings;
  profile.cores = workload.cores();
  QL_TRY(profile.machine, measure_machine(workload.model.isa()));
  QL_TRY(StreamGroup group, StreamGroup::open(workload.model, workload.settings));
  std::vector<Recording> recordings;
  for (int i = 0; i < group.size(); ++i) {
    QL_TRY(Lane lane, Lane::make(workload.model, workload.given, i + 1));
    const size_t steps = workload.model.plan().steps.size();
    const int threads = workload.settings.threads;
    recordings.push_back({std::move(lane),
                          std::make_unique<StepTimes>(steps, kMostRuns, 0, threads),
                          std::make_unique<StepTimes>(steps, 0, kTracedRuns, threads),
                          {}});
    recordings.back().plain.reserve(kMostRuns);
  }
  const measure::CpuTime before = measure::CpuTime::now();
  {
    Progress progress("profiling", static_cast<int64_t>(seconds), "s");
    QL_CHECK_OK(group.run([&](int i, run::Stream& stream) {
      return record(stream, recordings[static_cast<size_t>(i)], seconds, i == 0 ? &progress : nullptr);
    }));
  }
  std::barrier<> all(group.size());
  QL_CHECK_OK(
      group.run([&](int i, run::Stream& stream) { return trace(stream, recordings[static_cast<size_t>(i)], all); }));
  QL_CHECK_OK(group.run([&](int i, run::Stream& stream) -> Status {
    return i == 0 ? count(stream, recordings[0].lane, profile) : Status();
  }));
  QL_CHECK_OK(fill_layers(profile, workload.model, recordings, seconds / 2));
  fill_totals(profile, recordings);
  profile.other_load = measure::other_load(before, measure::CpuTime::now());
  return profile;
}

}  // namespace quadlane::tools
