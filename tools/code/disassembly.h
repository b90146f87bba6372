// Generated code read back: instructions, the loops among them, and what an iteration asks of the core.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/run/plan.h"
#include "jit/rates.h"

namespace quadlane::tools {

struct Instruction {
  size_t offset = 0, bytes = 0;
  std::string text;
  bool dot = false;      // multiplies and accumulates: vpdpbusd, vfmadd..., vpmaddwd, vpmaddubsw
  bool vector = false;   // anything on vector registers that is no plain load or store
  bool shuffle = false;  // of these: moves bytes between lanes
  int loads = 0, stores = 0;
  int loaded_bytes = 0, stored_bytes = 0;  // by vector registers, from and to elsewhere than the stack and constants
  std::optional<size_t> jump;              // the offset it may go to
};

// Empty in a build without a disassembler.
std::vector<Instruction> disassemble(const run::Kernel&);

// What one iteration does itself, loops inside it not counted.
struct Mix {
  int dots = 0, vector = 0, loads = 0, stores = 0, instructions = 0;
  int shuffles = 0;  // among the vector ones
  int loaded_bytes = 0, stored_bytes = 0;
};

struct Loop {
  size_t begin = 0, end = 0;  // offsets of its first instruction and of the jump back
  int depth = 0;              // 0: inside no other loop
  Mix mix;
  bool innermost = true;
};

// By jumps back, outer loops first.
std::vector<Loop> find_loops(const std::vector<Instruction>&);
// The innermost loop with the most dots, or with the most loads and stores where none has dots.
std::optional<Loop> hot_loop(const std::vector<Loop>&);
// The nearest loop around that one which stores: what it does itself is done once a tile (an epilogue).
std::optional<Loop> loop_around(const std::vector<Loop>&, const Loop&);

// How long the parts of the core that an iteration needs are busy with it, in cycles; the largest is the least time an
// iteration takes. `dots` are 1e9 dot instructions a second.
struct Pressure {
  double dots = 0, loads = 0, stores = 0, vector = 0, shuffles = 0, front_end = 0;
  double cycles() const;
  double instructions() const;  // without dots, loads and stores
  const char* bottleneck() const;
};
Pressure pressure(const Mix&, const MachineRates&, double dots);

}  // namespace quadlane::tools
