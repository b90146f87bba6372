// What the steps of a plan stand for in the file that another engine reads.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace quadlane::tools {

struct StepNames {
  std::vector<std::string> names;  // of nodes and of the values they compute; empty: nothing in the file
  ValueId value = kNoValue;        // what leaves the last of these nodes
};

// For each step, by the names of steps. A node without a step of its name has been fused into what computes its inputs
// (the latest of several); one that reads constants alone belongs to none.
std::vector<StepNames> names_of_steps(const Graph& file, std::span<const std::string> steps);

}  // namespace quadlane::tools
