// Reshape [N,G,-1] -> InstanceNormalization -> Reshape [N,C,...]: how exporters write GroupNormalization.
#pragma once

#include "graph/passes/rewrite.h"

namespace quadlane {

struct GroupedNorm {
  ValueId x = kNoValue;
  // Between the first Reshape and the normalization, with one scale for all: x is quantized. Else kNoNode.
  NodeId dequantize = kNoNode;
  int64_t groups = 1;
  float epsilon = 0;
  std::vector<double> scale, bias;  // of the channels
};
// What the Reshape `last` ends; f32 of rank 3 and more. Empty for everything else.
std::optional<GroupedNorm> grouped_norm(const Graph&, const Node& last);

}  // namespace quadlane
