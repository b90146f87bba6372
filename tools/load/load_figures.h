// What a measured load says, and what speaks against believing it.
#pragma once

#include <string>
#include <vector>

#include "engine/run/profile.h"
#include "tools/load/scenario.h"
#include "tools/measure/machine.h"

namespace quadlane::tools {

struct Percentiles {
  double median = 0, p90 = 0, p95 = 0, p99 = 0, max = 0, min = 0, mean = 0;
};
Percentiles percentiles(const std::vector<double>& ms);

struct LoadFigures {
  Scenario scenario = Scenario::closed;
  Served served;
  Percentiles latency;  // of all streams; multi: of rounds, each as long as its slowest request
  std::vector<Percentiles> of_stream;
  double variation = 0;  // of the latencies: deviation over mean
  double requests_per_s = 0, throughput_fps = 0;
  double confidence_fps = 0;  // 95 % of the mean throughput, plus or minus
  double first_inference_ms = 0, cpu_ms = 0;
  double gmac_per_s = 0, peak_gmac_per_s = 0, percent_of_peak = 0;
  double clock_before = 0, clock_after = 0;  // GHz
  double others = 0;                         // share of the machine that others used meanwhile
  measure::CopySpeed copy;
  size_t requests = 0, arena_bytes = 0, resident_bytes = 0;
  size_t peak_bytes = 0;   // resident at most until the first request had ended
  size_t added_bytes = 0;  // of these, since before the model was opened
  std::vector<run::StepTime> fallbacks;
};

Result<LoadFigures> measure_load(const Workload&, const ScenarioOptions&);

// One line each: "latencies vary by 4.1 % (more than 2.5 %): ...".
std::vector<std::string> doubts(const LoadFigures&, const Workload&);

}  // namespace quadlane::tools
