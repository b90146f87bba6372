// A plan of nothing but scalar references: it needs no generated code and runs on any machine, slowly.
#pragma once

#include "engine/run/plan.h"
#include "graph/op_table.h"

namespace quadlane {

// `why` it is wanted is told by Plan::code_method.
Result<std::shared_ptr<const run::Plan>> reference_plan(const Graph&, const OpTable&,
                                                        size_t max_arena_bytes = size_t{16} << 30,
                                                        const std::string& why = {});

}  // namespace quadlane
