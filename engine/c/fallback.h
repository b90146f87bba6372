// What runs where a plan's code does not: the scalar references, if this build of the library has them.
#pragma once

#include "engine/run/plan_file.h"

namespace quadlane::c {

// Steps of plans that call scalar references; null: this library has none.
const run::StepCodec* reference_steps();
// The file's graph on the references, because of `why`.
Result<std::shared_ptr<const run::Plan>> reference_fallback(const run::PlanFile&, size_t max_arena_bytes,
                                                            const Error& why);

}  // namespace quadlane::c
