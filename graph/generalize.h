// One graph for every input shape, from the graphs of a network at two shapes.
//
// Loading folds what is computed from shapes into constants. Where the two graphs differ in such a constant, it is
// brought into a form that holds for both and therefore, as far as two examples tell, for all: the target of a Reshape
// copies extents of its input (0) or leaves one open (-1), and sizes of a Resize become scales, or those of another value
// (attribute `sizes_of`, its name), which the writer computes from that value's shape.
#pragma once

#include "graph/graph.h"

namespace quadlane {

// `a` with its constants generalized. The shapes should differ by another factor in every open dimension. Fails, naming
// the node, when a constant depends on the shape in another way, or when the graphs have different nodes.
Result<Graph> generalize(const Graph& a, const Graph& b);

}  // namespace quadlane
