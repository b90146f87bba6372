// What limits a step: how long each resource of the core is busy with it, by rates measured in the same process.
#pragma once

#include "engine/api/engine.h"
#include "jit/rates.h"
#include "tools/cli/listing.h"
#include "tools/measure/machine.h"

namespace quadlane::tools {

// Of one core.
struct Machine {
  Isa isa = Isa::reference;
  CpuInfo cpu;
  double peak_int8 = 0, peak_f32 = 0;  // GMAC/s
  MachineRates rates;
  measure::CopySpeed copy;

  double peak(bool int8) const { return int8 ? peak_int8 : peak_f32; }
  int macs_per_dot(bool int8) const;
};
Result<Machine> measure_machine(Isa);

// Milliseconds that each takes if it alone mattered; 0: not asked for.
struct Limits {
  double dots = 0, instructions = 0, l1 = 0, l2 = 0, l3 = 0, memory = 0;

  struct Bound {
    const char* name;
    double ms;
  };
  // The largest that explains enough of the measured time, or "mixed" and the largest of all: the core's own work, of
  // which no part alone explains it. What would take a fifth longer than the step did is refuted. bench/bounds checks
  // the names by experiment.
  Bound bound(double measured_ms) const;
};

// What a step was measured to take, of which it waits for data that lie beyond L2 (near_times.h).
struct Taken {
  double ms = 0, waiting_ms = 0;
};

// `plan_bytes`: what one inference keeps in memory, arena and weights; `cores`: threads that share the step.
//   dots    every multiply-accumulate, wasted lanes too, at the measured peak
//   instructions   the vector and other instructions of the hot loop, as often as its dots, or without them what it
//           writes or reads, say that it runs; and what the loop around does for a tile, as often as its stores say
//   L1      loads and stores of these loops; without them, of every byte once
//   L2      what is fetched again and again from behind L1
//   L3, memory   the waiting; where that is a quarter of the time or more, the core's work goes on beside it, and
//           what every byte takes once is the better estimate. It is memory where a whole run fills more than half of
//           L3 and the bytes could come from there in the time the step took.
Limits limits_of(const run::StepInfo&, const std::optional<HotLoop>& loops, const Machine&, const Taken&,
                 size_t plan_bytes, int cores);

}  // namespace quadlane::tools
