// Another build of the command beside this one: both as processes of their own, in turn.
#pragma once

#include "tools/compare/contender.h"

namespace quadlane::tools {

// Two contenders whose times are the medians of `rounds` runs of `bench`, this program's and that of `binary`.
Result<std::vector<Contender>> builds_in_turn(const std::string& binary, const WorkloadArgs&, int rounds,
                                              double seconds);

}  // namespace quadlane::tools
