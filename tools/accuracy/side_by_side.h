// One value of each of two networks, on the same inputs.
#pragma once

#include <functional>

#include "tools/accuracy/exposed.h"
#include "tools/cli/samples.h"

namespace quadlane::tools {

struct NamedValue {
  const Graph& graph;
  std::string name;
};

// Calls seen(value of a, value of b) for every input. Samples of another shape than a's are left out where the source
// knows such; else a sample that cannot be read is an error.
Status side_by_side(const NamedValue& a, const NamedValue& b, std::span<const Sample>, const CalibrationSource&,
                    const std::function<void(const Tensor&, const Tensor&)>& seen);

}  // namespace quadlane::tools
