// The emulator's insides: registers, memory access, decoded instructions. Semantics live in emulator_general.cc
// (integer registers, flags, jumps), emulator_arithmetic.cc (element by element), emulator_moves.cc (loads, stores,
// permutes) and emulator_masks.cc; emulator_machine.cc reads and writes vector operands, emulator.cc decodes and runs.
#pragma once

#include <Zydis/Zydis.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "engine/base/status.h"
#include "tests/support/emulator.h"

namespace quadlane::emulation {

struct alignas(64) Vector {
  uint8_t bytes[64];
  template <class T>
  T get(int i) const {
    T value;
    std::memcpy(&value, bytes + offset<T>(i), sizeof(T));
    return value;
  }
  template <class T>
  void set(int i, T value) {
    std::memcpy(bytes + offset<T>(i), &value, sizeof(T));
  }

 private:
  template <class T>
  static size_t offset(int i) {  // wraps around: indices come from data
    return static_cast<size_t>(i) * sizeof(T) % sizeof bytes;
  }
};

struct Operand {
  enum class Kind : uint8_t { none, general, vector, mask, memory, immediate };
  static constexpr int8_t kNoRegister = -1, kRip = 16;
  Kind kind = Kind::none;
  uint8_t index = 0;  // register
  uint16_t bytes = 0;
  int8_t base = kNoRegister, scaled = kNoRegister;  // memory
  uint8_t scale = 0;
  int64_t value = 0;  // immediate, displacement, or offset in the code (base == kRip and jump targets)
};

struct Machine;
struct Instruction;
using Handler = void (*)(Machine&, const Instruction&);

struct Instruction {
  Handler run = nullptr;
  Operand operand[5];  // explicit ones, without the write mask
  uint8_t operands = 0;
  uint8_t mask = 0;       // 0: none
  bool zeroing = false;   // masked elements become 0, else they stay
  bool control = false;   // the mask selects between sources (blends) and masks no write
  uint8_t broadcast = 0;  // bytes of an embedded broadcast's element, or 0
  uint16_t vector_bytes = 0;
  uint16_t mnemonic = 0;
  uint32_t offset = 0, length = 0;
  InstructionCounts counts;
};

struct Region {
  uint64_t begin, end;
  bool writable, stack;
  std::string name;
};

struct Machine {
  Vector v[32];
  uint64_t k[8] = {};
  uint64_t r[16] = {};  // rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8..r15
  bool zf = false, sf = false, cf = false, of = false;
  const uint8_t* code = nullptr;
  uint64_t next = 0;  // offset of the next instruction
  std::vector<Region> regions;
  std::string error;  // set once; ends the run

  void fail(std::string what) {
    if (error.empty()) error = std::move(what);
  }
  uint64_t address(const Operand&) const;
  // Null, and an error, when the bytes are not allowed.
  uint8_t* memory(uint64_t address, size_t bytes, bool write);

  uint64_t read_general(const Operand&);  // general, immediate or memory, zero-extended
  void write_general(const Operand&, uint64_t value);
  uint64_t read_mask(const Instruction& i) const { return i.mask == 0 ? ~uint64_t{0} : k[i.mask]; }

  // Operand n as a vector; memory is read (and broadcast) into `space`. Elements outside a write mask are not read.
  const Vector& source(const Instruction&, int n, Vector& space, int element_bytes);
  // Writes operand 0 under the mask; a register's bytes behind the operand become 0.
  void write(const Instruction&, const Vector& value, int element_bytes);
  void write_mask(const Instruction&, uint64_t bits);  // operand 0, an opmask
};

using Handlers = std::map<ZydisMnemonic, Handler>;
const Handlers& general_handlers();
const Handlers& arithmetic_handlers();
const Handlers& move_handlers();
const Handlers& mask_handlers();
// Condition codes of jcc, cmovcc and setcc; false for an unknown mnemonic.
bool is_jump(ZydisMnemonic);

inline uint64_t low_bits(int count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

}  // namespace quadlane::emulation
