// Runs generated code without the processor it is meant for: an interpreter of the x86-64 instructions that the
// generators emit (general-purpose, AVX2, AVX-512 F/BW/DQ/VL/VNNI, VBMI where asked for). On machines without AVX-512
// it is the only way to run such code; everywhere it is also
//   - a bounds checker: every access must lie in a region that was allowed, exactly to the byte;
//   - a check of the calling convention: callee-saved registers and the stack pointer come back as they were;
//   - a counter of instructions by kind, for statements like "0.97 dots per vector instruction";
//   - a check of the instruction set: an instruction outside it is an error, even if the semantics are known.
// All registers but rsp and rdi hold junk at entry.
//
// An unknown instruction, a stray access or a jump out of the code is an Error naming the instruction and its offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/base/cpu.h"
#include "engine/base/status.h"
#include "jit/machine_code.h"

namespace quadlane {

enum class Access : uint8_t { read, read_write };

struct InstructionCounts {
  int64_t total = 0;
  int64_t vector = 0;  // any instruction with a vector operand
  int64_t dots = 0;    // vpdpbusd, vpmaddwd, vpmaddubsw
  int64_t fmas = 0;
  int64_t loads = 0;       // instructions that read memory, broadcasts included, stack excluded
  int64_t broadcasts = 0;  // of these: one element for all lanes
  int64_t stores = 0;
  int64_t prefetches = 0;
  int64_t branches = 0;
};

class Emulator {
 public:
  Emulator(const MachineCode& code, Isa isa, bool vbmi = false);  // vbmi: AVX512_VBMI besides
  ~Emulator();
  Emulator(Emulator&&) noexcept;

  // Allows [data, data + bytes). Regions may touch; an access must lie in one of them.
  void allow(const void* data, size_t bytes, Access access, std::string name);
  void clear_regions();

  // One call of the code with `args` in rdi. Decoded instructions are kept between calls, counts add up.
  Status run(const void* args, int64_t max_instructions = int64_t{1} << 33);
  const InstructionCounts& counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quadlane
