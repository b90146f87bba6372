// Machine code as data: what a generator returns, what code memory makes executable, what a plan file can carry.
// It is position independent and refers to nothing outside its own bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quadlane {

// A remark of the generator about the instructions from this offset on; listings print it there.
struct CodeNote {
  uint32_t offset = 0;
  std::string text;
};

struct MachineCode {
  std::string name;            // describe() of what was generated: cache key, symbol in perf, line in logs
  std::vector<uint8_t> bytes;  // entry at offset 0, constants behind the instructions
  uint32_t instruction_bytes = 0;
  std::vector<CodeNote> notes;
};

// Placing code at this alignment keeps the alignment that the generator asked for.
inline constexpr size_t kCodeAlignment = 64;

struct GenerateOptions {
  // Fill every vector and mask register with ones (NaN, -1) at entry, so that a read before the first write shows.
  bool poison_registers = false;
};

}  // namespace quadlane
