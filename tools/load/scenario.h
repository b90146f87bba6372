// Ways in which requests reach the streams of a model, after MLPerf's scenarios.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/workload.h"

namespace quadlane::tools {

enum class Scenario {
  closed,   // every stream starts its next request when one is done: latency and throughput at full load
  single,   // the same on one stream: nobody shares the machine
  multi,    // one request for each stream at once, the next ones when all are done
  server,   // requests arrive at random times (Poisson); latency counts from the arrival, waiting included
  offline,  // all requests are there at once and are taken from one queue: throughput alone
};
Result<Scenario> parse_scenario(const std::string&);
const char* to_string(Scenario);

struct ScenarioOptions {
  Scenario scenario = Scenario::closed;
  double seconds = 3;
  double warm_up_seconds = 0;   // before; every stream runs twice at least
  double rate = 0;              // server: requests a second; 0: the highest that keeps the bound
  double latency_bound_ms = 0;  // server: what 99 of 100 requests must keep; 0: no bound
};

struct Request {
  double begin, end;  // seconds since the start
  double ms() const { return 1e3 * (end - begin); }
};
struct Served {
  std::vector<std::vector<Request>> of_stream;
  std::vector<Request> rounds;  // multi: of the requests that begin together, from then to the end of the slowest
  double seconds = 0;           // from the first begin to the last end
  double rate = 0;              // server: requests a second that arrived
  bool bound_kept = true;
  size_t untimed = 0;  // requests before those: to warm up, and to find the rate

  // Of all requests; of a multi scenario those of its rounds.
  std::vector<double> latencies_ms() const;
  std::vector<double> ends() const;  // sorted
};

// Every stream has run before; at least five requests each.
Result<Served> serve(StreamGroup&, std::vector<Lane>&, const ScenarioOptions&);

}  // namespace quadlane::tools
