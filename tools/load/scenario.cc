#include "tools/load/scenario.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <random>
#include <thread>

#include "tools/cli/progress.h"
#include "tools/measure/statistics.h"

namespace quadlane::tools {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kLeastRequests = 5;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  // Sleeps, and spins for the last stretch that the scheduler would miss.
  void wait_until(double moment) const {
    constexpr double kSpin = 200e-6;
    if (const double ahead = moment - seconds(); ahead > kSpin)
      std::this_thread::sleep_for(std::chrono::duration<double>(ahead - kSpin));
    while (seconds() < moment) {
    }
  }

 private:
  Clock::time_point start_ = Clock::now();
};

Status run_once(run::Stream& stream, Lane& lane) { return stream.run(views_of(lane.inputs), lane.outputs.views()); }

// How many requests that took.
Result<size_t> warm_up(StreamGroup& group, std::vector<Lane>& lanes, double seconds) {
  std::atomic<size_t> requests{0};
  Stopwatch watch;
  QL_CHECK_OK(group.run([&](int i, run::Stream& stream) -> Status {
    for (int k = 0; k < 2 || watch.seconds() < seconds; ++k) {
      QL_CHECK_OK(run_once(stream, lanes[static_cast<size_t>(i)]));
      ++requests;
    }
    return {};
  }));
  return requests.load();
}

Status run_closed(StreamGroup& group, std::vector<Lane>& lanes, double seconds, Served& served) {
  Progress progress("measuring", static_cast<int64_t>(seconds), "s");
  Stopwatch watch;
  return group.run([&](int i, run::Stream& stream) -> Status {
    std::vector<Request>& requests = served.of_stream[static_cast<size_t>(i)];
    double begin = watch.seconds();
    while (begin < seconds || requests.size() < kLeastRequests) {
      QL_CHECK_OK(run_once(stream, lanes[static_cast<size_t>(i)]));
      requests.push_back({begin, watch.seconds()});
      if (i == 0) progress.set(static_cast<int64_t>(begin));
      begin = watch.seconds();
    }
    return {};
  });
}

Status run_together(StreamGroup& group, std::vector<Lane>& lanes, double seconds, Served& served) {
  Stopwatch watch;
  double begin = 0;
  bool more = true;
  std::atomic<bool> failed{false};
  // Between two rounds one thread alone looks at the clock.
  auto next_round = [&]() noexcept {
    const double now = watch.seconds();
    if (begin > 0) served.rounds.push_back({begin, now});
    begin = now;
    more = !failed && (now < seconds || served.rounds.size() < kLeastRequests);
  };
  std::barrier round(static_cast<std::ptrdiff_t>(group.size()), next_round);
  return group.run([&](int i, run::Stream& stream) -> Status {
    Status result;
    for (round.arrive_and_wait(); more; round.arrive_and_wait()) {
      if (!result.ok()) continue;
      const double own_begin = watch.seconds();
      result = run_once(stream, lanes[static_cast<size_t>(i)]);
      served.of_stream[static_cast<size_t>(i)].push_back({own_begin, watch.seconds()});
      if (!result.ok()) failed = true;
    }
    return result;
  });
}

// Requests of given arrival times, taken by whichever stream is free.
Status run_queue(StreamGroup& group, std::vector<Lane>& lanes, const std::vector<double>& arrivals, Served& served) {
  Progress progress("serving", static_cast<int64_t>(arrivals.size()), "requests");
  Stopwatch watch;
  std::atomic<size_t> next{0};
  return group.run([&](int i, run::Stream& stream) -> Status {
    std::vector<Request>& requests = served.of_stream[static_cast<size_t>(i)];
    for (size_t k; (k = next.fetch_add(1)) < arrivals.size();) {
      watch.wait_until(arrivals[k]);
      QL_CHECK_OK(run_once(stream, lanes[static_cast<size_t>(i)]));
      requests.push_back({arrivals[k], watch.seconds()});
      if (i == 0) progress.set(static_cast<int64_t>(k));
    }
    return {};
  });
}

Served nothing_yet(const StreamGroup& group) {
  Served served;
  served.of_stream.resize(static_cast<size_t>(group.size()));
  return served;
}

// Requests a second that the streams finish at full load; `untimed` grows by how many that took.
Result<double> capacity(StreamGroup& group, std::vector<Lane>& lanes, double seconds, size_t& untimed) {
  Served served = nothing_yet(group);
  QL_CHECK_OK(run_closed(group, lanes, seconds, served));
  const std::vector<double> ends = served.ends();
  untimed += ends.size();
  return static_cast<double>(ends.size()) / ends.back();
}

std::vector<double> poisson_arrivals(double rate, double seconds) {
  std::mt19937_64 random(2026);
  std::exponential_distribution<double> gap(rate);
  std::vector<double> arrivals;
  for (double t = gap(random); t < seconds || arrivals.size() < 4 * kLeastRequests; t += gap(random))
    arrivals.push_back(t);
  return arrivals;
}

Result<Served> serve_at(StreamGroup& group, std::vector<Lane>& lanes, double rate, double seconds, double bound_ms) {
  Served served = nothing_yet(group);
  QL_CHECK_OK(run_queue(group, lanes, poisson_arrivals(rate, seconds), served));
  served.rate = rate;
  served.bound_kept = bound_ms == 0 || measure::quantile(served.latencies_ms(), 0.99) <= bound_ms;
  return served;
}

Result<Served> run_server(StreamGroup& group, std::vector<Lane>& lanes, const ScenarioOptions& o) {
  if (o.rate > 0) return serve_at(group, lanes, o.rate, o.seconds, o.latency_bound_ms);
  constexpr int kTrials = 7;
  size_t untimed = 0;
  QL_TRY(double most, capacity(group, lanes, o.seconds / 4, untimed));
  double rate = most / 2;
  if (o.latency_bound_ms > 0) {
    double low = 0, high = most;
    for (int i = 0; i < kTrials; ++i) {
      rate = (low + high) / 2;
      QL_TRY(Served trial, serve_at(group, lanes, rate, o.seconds / 2, o.latency_bound_ms));
      untimed += trial.ends().size();
      (trial.bound_kept ? low : high) = rate;
    }
    rate = std::max(low, most / 256);
  }
  constexpr int kAttempts = 4;  // a rate found by short trials may be a little too high for the whole time
  for (int i = 1;; ++i, rate *= 0.95) {
    QL_TRY(Served served, serve_at(group, lanes, rate, o.seconds, o.latency_bound_ms));
    served.untimed = untimed;
    if (served.bound_kept || i == kAttempts) return served;
    untimed += served.ends().size();
  }
}

}  // namespace

Result<Scenario> parse_scenario(const std::string& text) {
  for (Scenario s : {Scenario::closed, Scenario::single, Scenario::multi, Scenario::server, Scenario::offline})
    if (text == to_string(s)) return s;
  return invalid_argument("there is no scenario '", text, "'");
}

const char* to_string(Scenario scenario) {
  switch (scenario) {
    case Scenario::closed: return "closed";
    case Scenario::single: return "single";
    case Scenario::multi: return "multi";
    case Scenario::server: return "server";
    case Scenario::offline: return "offline";
  }
  return "";
}

std::vector<double> Served::latencies_ms() const {
  std::vector<double> all;
  for (const Request& r : rounds) all.push_back(r.ms());
  if (!rounds.empty()) return all;
  for (const auto& requests : of_stream)
    for (const Request& r : requests) all.push_back(r.ms());
  return all;
}

std::vector<double> Served::ends() const {
  std::vector<double> all;
  for (const auto& requests : of_stream)
    for (const Request& r : requests) all.push_back(r.end);
  std::sort(all.begin(), all.end());
  return all;
}

Result<Served> serve(StreamGroup& group, std::vector<Lane>& lanes, const ScenarioOptions& o) {
  QL_TRY(size_t warm_ups, warm_up(group, lanes, o.warm_up_seconds));
  Served served = nothing_yet(group);
  switch (o.scenario) {
    case Scenario::closed:
    case Scenario::single: QL_CHECK_OK(run_closed(group, lanes, o.seconds, served)); break;
    case Scenario::multi: QL_CHECK_OK(run_together(group, lanes, o.seconds, served)); break;
    case Scenario::server: {
      QL_TRY(served, run_server(group, lanes, o));
      break;
    }
    case Scenario::offline: {
      QL_TRY(double rate, capacity(group, lanes, o.seconds / 8, warm_ups));
      const size_t count = std::max(kLeastRequests * served.of_stream.size(), static_cast<size_t>(rate * o.seconds));
      QL_CHECK_OK(run_queue(group, lanes, std::vector<double>(count, 0.0), served));
      break;
    }
  }
  served.untimed += warm_ups;
  double first = 1e30, last = 0;
  for (const auto& requests : served.of_stream)
    for (const Request& r : requests) {
      first = std::min(first, r.begin);
      last = std::max(last, r.end);
    }
  served.seconds = last - first;
  return served;
}

}  // namespace quadlane::tools
