// A profile: where the time of a network goes, layer by layer, from instrumented runs beside plain ones.
#pragma once

#include <optional>
#include <vector>

#include "tools/cli/workload.h"
#include "tools/measure/counters.h"
#include "tools/measure/statistics.h"
#include "tools/profile/limits.h"
#include "tools/profile/step_times.h"

namespace quadlane::tools {

struct LayerProfile {
  const run::StepInfo* info;
  measure::Spread ms;
  double share = 0, cumulative = 0;  // of the sum of all layers, 0 to 1
  double waiting = 0;                // for data from beyond L2: a share of the layer's time
  std::optional<HotLoop> loops;
  Limits limits;
  Limits::Bound bound{"mixed", 0};

  // The share of the time that the bound alone would take: how far its name can be believed.
  double bound_share() const { return bound.ms / ms.median; }
  double gmac() const { return std::min(info->gmac, info->gmac_executed); }
  double gmac_per_s() const { return gmac() / ms.median * 1e3; }
  // 0 where more is left out (products with padding, which count as executed) than wasted.
  double wasted_lanes() const {
    return info->gmac_lanes > 0 ? std::max(0.0, 1 - info->gmac_executed / info->gmac_lanes) : 0;
  }
  double gb_per_s() const { return static_cast<double>(info->bytes_read + info->bytes_written) / ms.median * 1e-6; }
  // Multiply-accumulates for each byte read or written once.
  double intensity() const {
    return info->gmac_executed * 1e9 / std::max<double>(1, static_cast<double>(info->bytes_read + info->bytes_written));
  }
};

struct NetworkProfile {
  Machine machine;
  StreamSettings settings;
  int cores = 1;
  std::vector<LayerProfile> layers;                 // in the plan's order
  double plain_ms = 0, instrumented_ms = 0;         // medians of whole runs
  double explained = 0;                             // the layers' share of an instrumented run
  size_t runs = 0;                                  // instrumented ones of each stream
  std::vector<double> runs_ms;                      // some of the plain ones, evenly chosen: to tell two profiles apart
  std::vector<std::vector<StepTimes::Part>> parts;  // of some runs of each stream, back to back
  std::vector<measure::Counters::Value> counters;   // of one request, first stream's calling thread
  std::string counters_remark;
  double other_load = 0;  // share of the processors that others used meanwhile

  double perturbation() const { return instrumented_ms / plain_ms - 1; }
  // Why the figures may not be believed, a sentence each.
  std::vector<std::string> warnings() const;
  double percent_of_peak(const LayerProfile& layer) const;
};

// Plain and instrumented runs in turn for the given time, all streams at once.
Result<NetworkProfile> profile_network(const Workload&, double seconds);

}  // namespace quadlane::tools
