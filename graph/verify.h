#pragma once
#include "graph/op_table.h"
namespace quadlane {
// Every invariant the rest of the engine relies on; the error names the node or value that breaks one:
//   1. an operator is in the table, its arity and attributes fit;
//   2. every input of a live node and every graph output exists and is produced by a live node, an input or a constant;
//   3. use lists equal the inputs of the live nodes;
//   4. there is no cycle;
//   5. value names are unique and not empty;
//   6. the type of every output equals what inference says (trailing optional outputs may be absent);
//   7. a constant's tensor has the value's type.
Status verify(const Graph&, const OpTable&);
}  // namespace quadlane
