// Code with company: the same work, and beside every instruction of a kind a dead one that takes the same unit. What
// the code was waiting for shows, since crowding out what is not short costs little.
#pragma once

#include <optional>

#include "jit/machine_code.h"

namespace quadlane::tools {

enum class Crowd {
  dots,          // a dot beside each dot
  accesses,      // a load of a line in L1 for each load, a store for each store
  instructions,  // a vector operation beside each of those and each dot, a shuffle beside a shuffle, else a nop
  everything,    // all of these
};

// The results stay the same. Nothing in a build without a disassembler, and where the code leaves no vector register
// free or jumps in a way that cannot be moved.
std::optional<MachineCode> crowded(const MachineCode&, Crowd);

}  // namespace quadlane::tools
