// How fast this core does what a kernel's inner loop is made of: dots (jit/peak.h), loads, stores, other vector
// instructions; measured by loops of that instruction alone, on data in the first-level cache.
#pragma once

#include "engine/base/cpu.h"
#include "engine/base/status.h"

namespace quadlane {

// In 1e9 instructions a second, on registers of the instruction set's full width; clock in GHz.
struct MachineRates {
  double clock = 0;  // by a chain of multiplications of known latency (3 cycles)
  double loads = 0, stores = 0, vector_ops = 0;
  double shuffles = 0;      // that move bytes between lanes, which fewer units can
  double instructions = 0;  // that do nothing: what fetching, decoding and retiring bear
};

// Some 20 ms. Fails on a machine without the instruction set.
Result<MachineRates> measure_rates(Isa);

}  // namespace quadlane
