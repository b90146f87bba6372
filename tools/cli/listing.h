// Machine code for people.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/api/engine.h"
#include "tools/code/disassembly.h"

namespace quadlane::tools {

// The generated kernels that a step calls.
std::vector<const run::Kernel*> kernels_of(const run::Plan&, const run::StepInfo&);
// What an iteration of the innermost loop of most dots asks for, and what the loop around it does for a tile besides.
struct HotLoop {
  Mix mix, around;
};
// None without a disassembler or a loop.
std::optional<HotLoop> hot_loop_of(const run::Plan&, const run::StepInfo&);

// Prints the kernels of the step called `layer`, disassembled where the build has Zydis: the generator's notes, loops,
// and what an iteration of each costs by the rates of this machine.
Status print_listing(const Model&, const std::string& layer);

}  // namespace quadlane::tools
