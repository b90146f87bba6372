// Vector operands: reading with broadcast and fault suppression, writing under a mask.
#include "tests/support/emulator_machine.h"

namespace quadlane::emulation {

const Vector& Machine::source(const Instruction& i, int n, Vector& space, int element_bytes) {
  const Operand& o = i.operand[n];
  if (o.kind == Operand::Kind::vector) return v[o.index];
  std::memset(space.bytes, 0, sizeof space.bytes);
  if (o.kind != Operand::Kind::memory) {
    fail("operand is no vector");
    return space;
  }
  uint64_t at = address(o);
  if (i.broadcast) {
    if (uint8_t* p = memory(at, i.broadcast, false))
      for (int b = 0; b < i.vector_bytes; b += i.broadcast) std::memcpy(space.bytes + b, p, i.broadcast);
  } else if (i.mask == 0 || i.control) {
    if (uint8_t* p = memory(at, o.bytes, false)) std::memcpy(space.bytes, p, o.bytes);
  } else {
    for (int e = 0; e * element_bytes < o.bytes; ++e) {
      if (!(k[i.mask] >> e & 1)) continue;
      auto offset = static_cast<size_t>(e * element_bytes);
      uint8_t* p = memory(at + offset, static_cast<size_t>(element_bytes), false);
      if (!p) break;
      std::memcpy(space.bytes + offset, p, static_cast<size_t>(element_bytes));
    }
  }
  return space;
}

void Machine::write(const Instruction& i, const Vector& value, int element_bytes) {
  const Operand& to = i.operand[0];
  bool masked = i.mask != 0 && !i.control;
  auto element = static_cast<size_t>(element_bytes);
  if (to.kind == Operand::Kind::memory) {
    uint64_t at = address(to);
    if (!masked) {
      if (uint8_t* p = memory(at, to.bytes, true)) std::memcpy(p, value.bytes, to.bytes);
      return;
    }
    for (size_t e = 0; e * element < to.bytes; ++e) {
      if (!(k[i.mask] >> e & 1)) continue;
      uint8_t* p = memory(at + e * element, element, true);
      if (!p) return;
      std::memcpy(p, value.bytes + e * element, element);
    }
    return;
  }
  Vector& reg = v[to.index];
  size_t bytes = to.bytes;
  if (!masked) {
    std::memmove(reg.bytes, value.bytes, bytes);
  } else {
    for (size_t e = 0; e * element < bytes; ++e) {
      if (k[i.mask] >> e & 1)
        std::memmove(reg.bytes + e * element, value.bytes + e * element, element);
      else if (i.zeroing)
        std::memset(reg.bytes + e * element, 0, element);
    }
  }
  std::memset(reg.bytes + bytes, 0, sizeof reg.bytes - bytes);
}

void Machine::write_mask(const Instruction& i, uint64_t bits) { k[i.operand[0].index] = bits & read_mask(i); }

}  // namespace quadlane::emulation
