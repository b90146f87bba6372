// Another build of the command beside this one: both as processes of their own, in turn.
#pragma once

#include "tools/compare/comparison.h"

namespace quadlane::tools {

// Two contenders whose times are the medians of `rounds` runs of `bench`, this program's and that of `binary`; their
// outputs are those of `run` on the same inputs.
Status builds_in_turn(const std::string& binary, const WorkloadArgs&, int rounds, double seconds, Comparison&);

}  // namespace quadlane::tools
