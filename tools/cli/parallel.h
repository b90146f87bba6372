#pragma once

#include "graph/quant/parallel.h"

namespace quadlane::tools {

// On the processors this process may use: affinity and the cgroup's quota count.
const ParallelFor& on_usable_processors();

}  // namespace quadlane::tools
