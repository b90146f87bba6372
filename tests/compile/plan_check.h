// Compiles a graph, runs the plan, and compares it with the scalar references of the same graph: integers for equality,
// floats within a relative tolerance of the output's range. The plan that runs has gone through a plan file.
#pragma once

#include <string>
#include <vector>

#include "engine/compile/compile.h"

namespace quadlane::testing {

struct PlanCheck {
  Isa isa = Isa::avx2;      // one this machine lacks is interpreted (tests/support/emulator)
  int threads = 1;
  int runs = 2;             // the second run must find the arena as a run leaves it
  unsigned seed = 1;
  double tolerance = 1e-4;  // of the largest magnitude, for f32 outputs
  std::vector<float> palette = {};  // values that f32 inputs take in turn; none: normal ones
  bool expect_no_reference = false;  // every step must run generated code
};

// Empty when the plan agrees; otherwise what differs and where.
std::string check_plan(const Graph&, const PlanCheck& = {});

}  // namespace quadlane::testing
