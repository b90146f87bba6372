// Graphs as bytes, constants included: what a plan file carries for those who generate code or run the reference.
#pragma once

#include "graph/op_table.h"

namespace quadlane {

// Refuses graphs with a tail.
Result<std::vector<std::byte>> store_graph(const Graph&);
// Trusts nothing: types are inferred anew and must be the stored ones, and the result is verified.
Result<Graph> restore_graph(std::span<const std::byte>, const OpTable&);

// One node with its attributes, for steps that hold one; inputs and outputs are the caller's matter.
void store_node(FieldWriter&, const Node&);
void restore_node(FieldReader&, Node&);

}  // namespace quadlane
