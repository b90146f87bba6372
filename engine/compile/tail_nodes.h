// Nodes of the tail that take long: compiled as networks of their own, for the shapes of one run.
#pragma once

#include "engine/base/cpu.h"
#include "graph/tail.h"

namespace quadlane::compile {

// What Tail::run asks before it runs a reference; empty for Isa::reference. The machine must run `isa`.
HeavyNodes tail_nodes(const OpTable&, Isa isa);

}  // namespace quadlane::compile
