// What a few nodes of a graph compute, apart from it.
#pragma once

#include "graph/graph.h"
#include "graph/op_table.h"

namespace quadlane {

// The result of the last of these copies of the graph's nodes, each behind what it reads, where the value `root` is x:
// by the operators' own references. All are elementwise or quantizers; a constant is one number for all elements, but
// for the parameters of a quantizer that has some for each channel.
Result<Tensor> computed_alone(const Graph&, const OpTable&, std::vector<Node> nodes, ValueId root, const Tensor& x);

}  // namespace quadlane
