// Machine code for people.
#pragma once

#include <string>

#include "engine/api/engine.h"

namespace quadlane::tools {

// Prints the kernels of the step called `layer`, disassembled where the build has Zydis.
Status print_listing(const Model&, const std::string& layer);

}  // namespace quadlane::tools
