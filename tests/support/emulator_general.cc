// General-purpose instructions: integer arithmetic, flags, jumps, stack.
#include "tests/support/emulator_machine.h"

namespace quadlane::emulation {
namespace {

using M = Machine;
using I = Instruction;

int64_t sign_extend(uint64_t value, int bytes) {
  int shift = 64 - 8 * bytes;
  return static_cast<int64_t>(value << shift) >> shift;
}

void set_result_flags(M& m, uint64_t value, int bytes) {
  m.zf = (value & low_bits(8 * bytes)) == 0;
  m.sf = sign_extend(value, bytes) < 0;
}

uint64_t right(M& m, const I& i) {  // the second operand, immediates sign-extended to the first one's size
  return m.read_general(i.operand[1]) & low_bits(8 * i.operand[0].bytes);
}

uint64_t add_flags(M& m, uint64_t a, uint64_t b, int bytes) {
  uint64_t r = (a + b) & low_bits(8 * bytes);
  m.cf = r < a;
  m.of = (sign_extend(a, bytes) < 0) == (sign_extend(b, bytes) < 0) &&
         (sign_extend(r, bytes) < 0) != (sign_extend(a, bytes) < 0);
  set_result_flags(m, r, bytes);
  return r;
}
uint64_t subtract_flags(M& m, uint64_t a, uint64_t b, int bytes) {
  uint64_t r = (a - b) & low_bits(8 * bytes);
  m.cf = a < b;
  m.of = (sign_extend(a, bytes) < 0) != (sign_extend(b, bytes) < 0) &&
         (sign_extend(r, bytes) < 0) != (sign_extend(a, bytes) < 0);
  set_result_flags(m, r, bytes);
  return r;
}
uint64_t logic_flags(M& m, uint64_t r, int bytes) {
  m.cf = m.of = false;
  set_result_flags(m, r, bytes);
  return r;
}

enum class Alu { add, subtract, compare, and_, or_, xor_, test };
template <Alu kind>
void alu(M& m, const I& i) {
  int bytes = i.operand[0].bytes;
  uint64_t a = m.read_general(i.operand[0]), b = right(m, i), r = 0;
  switch (kind) {
    case Alu::add: r = add_flags(m, a, b, bytes); break;
    case Alu::subtract:
    case Alu::compare: r = subtract_flags(m, a, b, bytes); break;
    case Alu::and_:
    case Alu::test: r = logic_flags(m, a & b, bytes); break;
    case Alu::or_: r = logic_flags(m, a | b, bytes); break;
    case Alu::xor_: r = logic_flags(m, a ^ b, bytes); break;
  }
  if (kind != Alu::compare && kind != Alu::test) m.write_general(i.operand[0], r);
}

template <int step>
void increment(M& m, const I& i) {  // leaves the carry alone
  bool carry = m.cf;
  int bytes = i.operand[0].bytes;
  uint64_t a = m.read_general(i.operand[0]);
  m.write_general(i.operand[0], step > 0 ? add_flags(m, a, 1, bytes) : subtract_flags(m, a, 1, bytes));
  m.cf = carry;
}

enum class Shift { left, right, arithmetic };
template <Shift kind, bool flags>
void shift(M& m, const I& i) {
  const Operand& from = i.operand[flags ? 0 : 1];
  int bytes = from.bytes;
  uint64_t a = m.read_general(from);
  int n = static_cast<int>(m.read_general(i.operand[flags ? 1 : 2]) & (bytes == 8 ? 63 : 31));
  uint64_t r = kind == Shift::left    ? a << n
               : kind == Shift::right ? a >> n
                                      : static_cast<uint64_t>(sign_extend(a, bytes) >> n);
  if (flags && n > 0) {
    m.cf = kind == Shift::left ? (a >> (8 * bytes - n) & 1) != 0 : (a >> (n - 1) & 1) != 0;
    m.of = false;
    set_result_flags(m, r, bytes);
  }
  m.write_general(i.operand[0], r);
}

void move(M& m, const I& i) { m.write_general(i.operand[0], m.read_general(i.operand[1])); }
void move_signed(M& m, const I& i) {
  m.write_general(i.operand[0], static_cast<uint64_t>(sign_extend(m.read_general(i.operand[1]), i.operand[1].bytes)));
}
void lea(M& m, const I& i) { m.write_general(i.operand[0], m.address(i.operand[1])); }
void negate(M& m, const I& i) {
  uint64_t a = m.read_general(i.operand[0]);
  m.write_general(i.operand[0], subtract_flags(m, 0, a, i.operand[0].bytes));
}
void invert(M& m, const I& i) { m.write_general(i.operand[0], ~m.read_general(i.operand[0])); }
void multiply(M& m, const I& i) {  // two- and three-operand imul
  if (i.operands < 2) return m.fail("one-operand imul");
  int bytes = i.operand[0].bytes;
  const Operand& x = i.operand[i.operands == 3 ? 1 : 0];
  const Operand& y = i.operand[i.operands == 3 ? 2 : 1];
  m.write_general(i.operand[0], static_cast<uint64_t>(sign_extend(m.read_general(x), bytes)) *
                                    static_cast<uint64_t>(sign_extend(m.read_general(y), bytes)));
}
void push(M& m, const I& i) {
  uint64_t value = m.read_general(i.operand[0]);
  m.r[4] -= 8;
  if (uint8_t* p = m.memory(m.r[4], 8, true)) std::memcpy(p, &value, 8);
}
uint64_t pop_value(M& m) {
  uint64_t value = 0;
  if (uint8_t* p = m.memory(m.r[4], 8, false)) std::memcpy(&value, p, 8);
  m.r[4] += 8;
  return value;
}
void pop(M& m, const I& i) { m.write_general(i.operand[0], pop_value(m)); }
void ret(M& m, const I&) { m.next = pop_value(m); }
void nothing(M&, const I&) {}
void jump(M& m, const I& i) {
  if (i.operand[0].kind != Operand::Kind::immediate) return m.fail("indirect jump");
  m.next = static_cast<uint64_t>(i.operand[0].value);
}

enum class If { z, nz, b, nb, be, nbe, l, nl, le, nle, s, ns };
template <If c>
bool holds(const M& m) {
  switch (c) {
    case If::z: return m.zf;
    case If::nz: return !m.zf;
    case If::b: return m.cf;
    case If::nb: return !m.cf;
    case If::be: return m.cf || m.zf;
    case If::nbe: return !(m.cf || m.zf);
    case If::l: return m.sf != m.of;
    case If::nl: return m.sf == m.of;
    case If::le: return m.zf || m.sf != m.of;
    case If::nle: return !(m.zf || m.sf != m.of);
    case If::s: return m.sf;
    case If::ns: return !m.sf;
  }
  return false;
}
template <If c>
void jump_if(M& m, const I& i) {
  if (holds<c>(m)) jump(m, i);
}
template <If c>
void move_if(M& m, const I& i) {
  uint64_t value = m.read_general(i.operand[1]);
  m.write_general(i.operand[0], holds<c>(m) ? value : m.read_general(i.operand[0]));
}

template <If c>
void add_condition(Handlers& h, ZydisMnemonic jcc, ZydisMnemonic cmov) {
  h[jcc] = jump_if<c>;
  h[cmov] = move_if<c>;
}

Handlers make_table() {
  Handlers h = {
      {ZYDIS_MNEMONIC_ADD, alu<Alu::add>},
      {ZYDIS_MNEMONIC_SUB, alu<Alu::subtract>},
      {ZYDIS_MNEMONIC_CMP, alu<Alu::compare>},
      {ZYDIS_MNEMONIC_AND, alu<Alu::and_>},
      {ZYDIS_MNEMONIC_OR, alu<Alu::or_>},
      {ZYDIS_MNEMONIC_XOR, alu<Alu::xor_>},
      {ZYDIS_MNEMONIC_TEST, alu<Alu::test>},
      {ZYDIS_MNEMONIC_INC, increment<1>},
      {ZYDIS_MNEMONIC_DEC, increment<-1>},
      {ZYDIS_MNEMONIC_SHL, shift<Shift::left, true>},
      {ZYDIS_MNEMONIC_SHR, shift<Shift::right, true>},
      {ZYDIS_MNEMONIC_SAR, shift<Shift::arithmetic, true>},
      {ZYDIS_MNEMONIC_SHLX, shift<Shift::left, false>},
      {ZYDIS_MNEMONIC_SHRX, shift<Shift::right, false>},
      {ZYDIS_MNEMONIC_SARX, shift<Shift::arithmetic, false>},
      {ZYDIS_MNEMONIC_MOV, move},
      {ZYDIS_MNEMONIC_MOVZX, move},
      {ZYDIS_MNEMONIC_MOVSX, move_signed},
      {ZYDIS_MNEMONIC_MOVSXD, move_signed},
      {ZYDIS_MNEMONIC_LEA, lea},
      {ZYDIS_MNEMONIC_NEG, negate},
      {ZYDIS_MNEMONIC_NOT, invert},
      {ZYDIS_MNEMONIC_IMUL, multiply},
      {ZYDIS_MNEMONIC_PUSH, push},
      {ZYDIS_MNEMONIC_POP, pop},
      {ZYDIS_MNEMONIC_RET, ret},
      {ZYDIS_MNEMONIC_JMP, jump},
      {ZYDIS_MNEMONIC_NOP, nothing},
      {ZYDIS_MNEMONIC_PREFETCHT0, nothing},
      {ZYDIS_MNEMONIC_PREFETCHT1, nothing},
      {ZYDIS_MNEMONIC_PREFETCHT2, nothing},
      {ZYDIS_MNEMONIC_PREFETCHNTA, nothing},
      {ZYDIS_MNEMONIC_PREFETCHW, nothing},
  };
  add_condition<If::z>(h, ZYDIS_MNEMONIC_JZ, ZYDIS_MNEMONIC_CMOVZ);
  add_condition<If::nz>(h, ZYDIS_MNEMONIC_JNZ, ZYDIS_MNEMONIC_CMOVNZ);
  add_condition<If::b>(h, ZYDIS_MNEMONIC_JB, ZYDIS_MNEMONIC_CMOVB);
  add_condition<If::nb>(h, ZYDIS_MNEMONIC_JNB, ZYDIS_MNEMONIC_CMOVNB);
  add_condition<If::be>(h, ZYDIS_MNEMONIC_JBE, ZYDIS_MNEMONIC_CMOVBE);
  add_condition<If::nbe>(h, ZYDIS_MNEMONIC_JNBE, ZYDIS_MNEMONIC_CMOVNBE);
  add_condition<If::l>(h, ZYDIS_MNEMONIC_JL, ZYDIS_MNEMONIC_CMOVL);
  add_condition<If::nl>(h, ZYDIS_MNEMONIC_JNL, ZYDIS_MNEMONIC_CMOVNL);
  add_condition<If::le>(h, ZYDIS_MNEMONIC_JLE, ZYDIS_MNEMONIC_CMOVLE);
  add_condition<If::nle>(h, ZYDIS_MNEMONIC_JNLE, ZYDIS_MNEMONIC_CMOVNLE);
  add_condition<If::s>(h, ZYDIS_MNEMONIC_JS, ZYDIS_MNEMONIC_CMOVS);
  add_condition<If::ns>(h, ZYDIS_MNEMONIC_JNS, ZYDIS_MNEMONIC_CMOVNS);
  return h;
}

}  // namespace

bool is_jump(ZydisMnemonic m) { return m >= ZYDIS_MNEMONIC_JB && m <= ZYDIS_MNEMONIC_JZ; }

const Handlers& general_handlers() {
  static const Handlers table = make_table();
  return table;
}

uint64_t Machine::read_general(const Operand& o) {
  if (o.kind == Operand::Kind::immediate) return static_cast<uint64_t>(o.value);
  if (o.kind == Operand::Kind::general) return r[o.index] & low_bits(8 * o.bytes);
  uint64_t value = 0;
  if (o.kind != Operand::Kind::memory) {
    fail("operand is no integer");
  } else if (uint8_t* p = memory(address(o), o.bytes, false)) {
    std::memcpy(&value, p, o.bytes);
  }
  return value;
}

void Machine::write_general(const Operand& o, uint64_t value) {
  if (o.kind == Operand::Kind::memory) {
    if (uint8_t* p = memory(address(o), o.bytes, true)) std::memcpy(p, &value, o.bytes);
  } else if (o.bytes >= 4) {  // 32-bit results clear the upper half
    r[o.index] = value & low_bits(8 * o.bytes);
  } else {
    std::memcpy(&r[o.index], &value, o.bytes);
  }
}

}  // namespace quadlane::emulation
