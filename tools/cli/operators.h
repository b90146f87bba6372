// The operator table of the documentation, made from what the code knows.
#pragma once

#include <string>
#include <vector>

#include "graph/op_table.h"

namespace quadlane::tools {

// ops/OPERATORS.md: every operator with its versions, element types and kernels; and those refused, with the reason.
std::string operator_table();

// The element types that an operator accepts on the inputs that matter, found by asking its inference.
std::vector<DType> accepted_types(const OpDef&);
// Whether its f32 form (or the first type it accepts) is compiled to something else than the scalar reference.
bool has_kernels(const OpDef&);

}  // namespace quadlane::tools
