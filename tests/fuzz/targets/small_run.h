// A model that asks for little is run as well, on one fixed pattern of bytes.
#pragma once

#include "engine/api/engine.h"
#include "tests/fuzz/targets/target.h"

namespace quadlane::fuzz {

// Limits so that one input takes milliseconds, sanitizers included. The default ones have tests of their own
// (tests/api/hostile_test.cc).
ModelOptions small_limits(Isa isa);
// Nothing is expected of the values.
void run_if_small(const std::shared_ptr<const run::Plan>&);

}  // namespace quadlane::fuzz
