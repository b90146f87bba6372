// Pixels copied from plane to plane by tables of rows and columns (engine/run/move_step.h).
#pragma once

#include "engine/compile/lowering.h"
#include "engine/run/move_step.h"

namespace quadlane::compile {

// Tables of a MoveStep, one for each plane of the result.
struct Moves {
  std::vector<run::MoveTable> tables;
  std::vector<uint32_t> table;
  uint32_t fill = 0;
};

// Appends the step; `from` lists the source of each plane of `to`.
void emit_moves(Lowering&, run::StepInfo, const PlanarValue& from, const PlanarValue& to, Moves, const char* why);

}  // namespace quadlane::compile
