// Builds without scalar references (QUADLANE_RUNTIME_REFERENCE=OFF) run code alone.
#include "engine/c/fallback.h"

namespace quadlane::c {

const run::StepCodec* reference_steps() { return nullptr; }
Result<std::shared_ptr<const run::Plan>> reference_fallback(const run::PlanFile&, size_t, const Error& why) {
  return why;
}

}  // namespace quadlane::c
