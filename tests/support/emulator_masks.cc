// Opmask instructions.
#include "tests/support/emulator_machine.h"

namespace quadlane::emulation {
namespace {

using M = Machine;
using I = Instruction;
using Kind = Operand::Kind;

template <int bits>
void move_mask(M& m, const I& i) {
  uint64_t value = 0;
  if (i.operand[1].kind == Kind::mask)
    value = m.k[i.operand[1].index];
  else {
    Operand from = i.operand[1];
    from.bytes = bits / 8;
    value = m.read_general(from);
  }
  value &= low_bits(bits);
  if (i.operand[0].kind == Kind::mask) {
    m.k[i.operand[0].index] = value;
  } else {
    Operand to = i.operand[0];
    if (to.kind == Kind::memory) to.bytes = bits / 8;
    m.write_general(to, value);
  }
}
template <int bits, auto F>
void combine_masks(M& m, const I& i) {
  uint64_t b = i.operands > 2 ? m.k[i.operand[2].index] : 0;
  m.k[i.operand[0].index] = F(m.k[i.operand[1].index] & low_bits(bits), b & low_bits(bits)) & low_bits(bits);
}
template <int bits, bool left>
void shift_mask(M& m, const I& i) {
  uint64_t a = m.k[i.operand[1].index] & low_bits(bits);
  auto n = static_cast<uint64_t>(i.operand[2].value) & 255;
  m.k[i.operand[0].index] = n >= bits ? 0 : (left ? a << n : a >> n) & low_bits(bits);
}
template <int bits>
void test_or(M& m, const I& i) {  // kortest
  uint64_t a = (m.k[i.operand[0].index] | m.k[i.operand[1].index]) & low_bits(bits);
  m.zf = a == 0;
  m.cf = a == low_bits(bits);
  m.sf = m.of = false;
}

#define QL_FN(expr) [](uint64_t a, [[maybe_unused]] uint64_t b) { return (expr); }
Handlers make_table() {
  Handlers h;
#define QL_MASK(suffix, bits)                                             \
  h[ZYDIS_MNEMONIC_KMOV##suffix] = move_mask<bits>;                       \
  h[ZYDIS_MNEMONIC_KAND##suffix] = combine_masks<bits, QL_FN(a& b)>;      \
  h[ZYDIS_MNEMONIC_KANDN##suffix] = combine_masks<bits, QL_FN(~a& b)>;    \
  h[ZYDIS_MNEMONIC_KOR##suffix] = combine_masks<bits, QL_FN(a | b)>;      \
  h[ZYDIS_MNEMONIC_KXOR##suffix] = combine_masks<bits, QL_FN(a ^ b)>;     \
  h[ZYDIS_MNEMONIC_KXNOR##suffix] = combine_masks<bits, QL_FN(~(a ^ b))>; \
  h[ZYDIS_MNEMONIC_KNOT##suffix] = combine_masks<bits, QL_FN(~a)>;        \
  h[ZYDIS_MNEMONIC_KSHIFTL##suffix] = shift_mask<bits, true>;             \
  h[ZYDIS_MNEMONIC_KSHIFTR##suffix] = shift_mask<bits, false>;            \
  h[ZYDIS_MNEMONIC_KORTEST##suffix] = test_or<bits>
  QL_MASK(B, 8);
  QL_MASK(W, 16);
  QL_MASK(D, 32);
  QL_MASK(Q, 64);
  return h;
}

}  // namespace

const Handlers& mask_handlers() {
  static const Handlers table = make_table();
  return table;
}

}  // namespace quadlane::emulation
