// A golden input: whether this machine, this code and these weights give what they gave where the plan was compiled.
#pragma once

#include <memory>

#include "engine/run/plan.h"

namespace quadlane::run {

// The SHA-256 of all outputs for the golden input, which is the same for equal inputs of a plan: numbers between -4 and
// 4 in steps of 1/250, any bytes, 0 and 1. Refused where outputs have no fixed shape.
Result<std::string> golden_hash(const std::shared_ptr<const Plan>&);
// Runs the golden input once. An error where the outputs are others than Plan::golden, or where the plan names none.
Status self_test(const std::shared_ptr<const Plan>&);

}  // namespace quadlane::run
