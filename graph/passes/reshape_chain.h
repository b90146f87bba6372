// Reshape -> Transpose -> Reshape of a [N,C,H,W] value, as exporters write permutations of channels and pixels.
#pragma once
#include "graph/passes/rewrite.h"

namespace quadlane {

struct ReshapeChain {
  ValueId x = kNoValue;       // 4 dimensions
  Shape split;                // what is transposed
  std::vector<int64_t> perm;  // as many entries
};
// Of the last node; empty unless the result has 4 dimensions too and nothing else reads what is between.
std::optional<ReshapeChain> reshape_chain(const Graph&, const Node& last);

}  // namespace quadlane
