#include "engine/c/fallback.h"

#include "engine/reference/reference_plan.h"
#include "engine/reference/reference_step.h"
#include "graph/store.h"
#include "ops/table.h"

namespace quadlane::c {

const run::StepCodec* reference_steps() {
  static const ReferenceCodec codec(op_table());
  return &codec;
}

Result<std::shared_ptr<const run::Plan>> reference_fallback(const run::PlanFile& file, size_t max_arena_bytes,
                                                            const Error& why) {
  if (file.graph().empty()) return why;
  QL_TRY(Graph graph, restore_graph(file.graph(), op_table()));
  return reference_plan(graph, op_table(), max_arena_bytes, why.text());
}

}  // namespace quadlane::c
