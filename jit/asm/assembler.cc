#include "jit/asm/assembler.h"

#include <cstdlib>
#include <memory>
#include <new>

namespace quadlane {
namespace {

// Callee-saved registers of the System V convention; always saved: twelve instructions against thousands a call.
constexpr int kCalleeSaved[] = {Xbyak::Operand::RBX, Xbyak::Operand::RBP, Xbyak::Operand::R12,
                                Xbyak::Operand::R13, Xbyak::Operand::R14, Xbyak::Operand::R15};

std::vector<int> upto(int first, int end) {
  std::vector<int> list;
  for (int i = first; i < end; ++i) list.push_back(i);
  return list;
}

// Short encodings first; rdi holds the arguments, rsp the stack.
std::vector<int> general_registers() {
  using O = Xbyak::Operand;
  return {O::RAX, O::RCX, O::RDX, O::RSI, O::R8, O::R9, O::R10, O::R11, O::RBX, O::RBP, O::R12, O::R13, O::R14, O::R15};
}

}  // namespace

Assembler::Assembler(Isa isa, void* buffer, size_t capacity)
    : Xbyak::CodeGenerator(capacity, buffer),
      isa_(isa),
      args_(Xbyak::Operand::RDI),
      gp_pool_("general", general_registers()),
      vec_pool_("vector", upto(0, has_avx512(isa) ? 32 : 16)),
      mask_pool_("mask", upto(1, 8)) {  // k0 in an instruction means: no mask
  setDefaultJmpNEAR(true);
}

Gp Assembler::gp(std::string role) { return Gp(&gp_pool_, Xbyak::Reg64(gp_pool_.take(std::move(role)))); }

Vec Assembler::vec(std::string role) {
  auto kind = avx512() ? Xbyak::Operand::ZMM : Xbyak::Operand::YMM;
  return Vec(&vec_pool_, Xbyak::Xmm(kind, vec_pool_.take(std::move(role))));
}

std::vector<Vec> Assembler::vecs(const std::string& role, int count) {
  std::vector<Vec> list;
  for (int i = 0; i < count; ++i) list.push_back(vec(cat(role, i)));
  return list;
}

Mask Assembler::mask(std::string role) {
  if (!avx512()) return Mask(vec(std::move(role)));
  return Mask(Borrowed<Xbyak::Opmask>(&mask_pool_, Xbyak::Opmask(mask_pool_.take(std::move(role)))));
}

void Assembler::loop(int64_t times, const std::function<void()>& body) {
  if (times <= 0) return;
  if (times == 1) return body();
  Gp counter = gp("loop counter");
  mov(counter, times);
  Xbyak::Label top;
  align(32);  // one fetch window for a short body
  L(top);
  body();
  dec(counter);
  jnz(top);
}

void Assembler::loop(const Xbyak::Reg64& times, const std::function<void()>& body) {
  Xbyak::Label top, end;
  test(times, times);
  jz(end);
  align(32);
  L(top);
  body();
  dec(times);
  jnz(top);
  L(end);
}

void Assembler::enter_frame(const Gp& caller, int bytes) {
  mov(caller, rsp);
  sub(rsp, bytes);
  and_(rsp, -64);
}

void Assembler::leave_frame(const Gp& caller) { mov(rsp, caller); }

void Assembler::prologue() {
  for (int index : kCalleeSaved) push(Xbyak::Reg64(index));
}

void Assembler::epilogue() {
  vzeroupper();
  for (size_t i = std::size(kCalleeSaved); i-- > 0;) pop(Xbyak::Reg64(kCalleeSaved[i]));
  ret();
}

void Assembler::poison() {
  note("poison registers");
  if (!avx512()) {
    for (int i = 0; i < 16; ++i) vpcmpeqd(Xbyak::Ymm(i), Xbyak::Ymm(i), Xbyak::Ymm(i));
    return;
  }
  for (int i = 0; i < 32; ++i) vpternlogd(Xbyak::Zmm(i), Xbyak::Zmm(i), Xbyak::Zmm(i), 0xff);
  for (int i = 1; i < 8; ++i) kxnorq(Xbyak::Opmask(i), Xbyak::Opmask(i), Xbyak::Opmask(i));
}

Xbyak::Label& Assembler::constant(std::vector<uint32_t> dwords, uint32_t alignment) {
  for (Constant& c : constants_)
    if (c.dwords == dwords) return c.label;
  constants_.push_back({std::move(dwords), alignment, {}});
  return constants_.back().label;
}

Xbyak::Address Assembler::constant_lanes(uint32_t value) { return constant_vector({value}); }

Xbyak::Address Assembler::constant_vector(const std::vector<uint32_t>& dwords, int first_lane) {
  std::vector<uint32_t> full(static_cast<size_t>(lanes()));
  for (size_t i = 0; i < full.size(); ++i) full[i] = dwords[(i + static_cast<size_t>(first_lane)) % dwords.size()];
  return ptr[rip + constant(std::move(full), static_cast<uint32_t>(vector_bytes()))];
}

void Assembler::load(const Xbyak::Xmm& to, const Xbyak::Address& from) {
  avx512() ? vmovdqu32(to, from) : vmovdqu(to, from);
}
void Assembler::store(const Xbyak::Address& to, const Xbyak::Xmm& from) {
  avx512() ? vmovdqu32(to, from) : vmovdqu(to, from);
}
void Assembler::copy(const Xbyak::Xmm& to, const Xbyak::Xmm& from) {
  if (to.getIdx() == from.getIdx()) return;
  avx512() ? vmovdqa32(to, from) : vmovdqa(to, from);
}
void Assembler::zero(const Xbyak::Xmm& to) {
  // A write of the low part clears the rest; registers above 15 have no VEX form.
  Xbyak::Xmm low(to.getIdx());
  to.getIdx() < 16 ? vpxor(low, low, low) : vpxord(low, low, low);
}
void Assembler::bit_and(const Xbyak::Xmm& to, const Xbyak::Xmm& a, const Xbyak::Operand& b) {
  avx512() ? vpandd(to, a, b) : vpand(to, a, b);
}
void Assembler::bit_or(const Xbyak::Xmm& to, const Xbyak::Xmm& a, const Xbyak::Operand& b) {
  avx512() ? vpord(to, a, b) : vpor(to, a, b);
}
void Assembler::bit_xor(const Xbyak::Xmm& to, const Xbyak::Xmm& a, const Xbyak::Operand& b) {
  avx512() ? vpxord(to, a, b) : vpxor(to, a, b);
}
void Assembler::bit_andn(const Xbyak::Xmm& to, const Xbyak::Xmm& a, const Xbyak::Operand& b) {
  avx512() ? vpandnd(to, a, b) : vpandn(to, a, b);
}

void Assembler::load_lanes(const Mask& to, const Xbyak::Address& word, int half) {
  if (avx512()) return kmovw(to.k(), word);
  // The half's byte in every byte, then lane i compares its bit i.
  const Vec& v = to.vec();
  Xbyak::Address bits = constant_vector({1, 2, 4, 8, 16, 32, 64, 128});
  vpbroadcastb(v, ptr[word.getRegExp() + half]);
  vpand(v, v, bits);
  vpcmpeqd(v, v, bits);
}

void Assembler::blend(const Xbyak::Xmm& to, const Mask& mask, const Xbyak::Xmm& if_set, const Xbyak::Xmm& if_clear) {
  if (!avx512()) return vpblendvb(to, if_clear, if_set, mask.vec());
  Xbyak::Xmm masked(to);
  masked.setOpmaskIdx(mask.k().getIdx());
  vpblendmd(masked, if_clear, if_set);
}

void Assembler::load_masked(const Xbyak::Xmm& to, const Mask& mask, const Xbyak::Address& from) {
  if (!avx512()) return vpmaskmovd(to, mask.vec(), from);
  Xbyak::Xmm masked(to);
  masked.setOpmaskIdx(mask.k().getIdx());
  masked.setZero();
  vmovdqu32(masked, from);
}

void Assembler::store_masked(const Xbyak::Address& to, const Mask& mask, const Xbyak::Xmm& from) {
  if (!avx512()) return vpmaskmovd(to, mask.vec(), from);
  Xbyak::Address masked(to);
  masked.setOpmaskIdx(mask.k().getIdx());
  vmovdqu32(masked, from);
}

MachineCode Assembler::finish(std::string name) {
  MachineCode code;
  code.name = std::move(name);
  code.instruction_bytes = static_cast<uint32_t>(getSize());
  if (!constants_.empty()) note("constants");
  for (uint32_t alignment : {64u, 32u, 4u})  // largest first: no holes between them
    for (Constant& c : constants_) {
      if (c.alignment != alignment) continue;
      while (getSize() % alignment != 0) int3();
      L(c.label);
      for (uint32_t dword : c.dwords) dd(dword);
    }
  ready();  // refuses jumps to labels that were never placed
  code.bytes.assign(getCode(), getCode() + getSize());
  code.notes = std::move(notes_);
  return code;
}

Result<MachineCode> assemble(const std::string& name, Isa isa, const GenerateOptions& options,
                             const std::function<void(Assembler&)>& body) {
  if (isa == Isa::reference) return invalid_argument(name, ": no code is generated for instruction set reference");
  constexpr size_t kCapacity = size_t{1} << 20;  // only the pages written to are ever touched
  try {
    std::unique_ptr<void, decltype(&std::free)> buffer(std::aligned_alloc(4096, kCapacity), &std::free);
    if (!buffer) return make_error(Code::out_of_memory, name, ": no memory for ", kCapacity, " bytes of code");
    Assembler a(isa, buffer.get(), kCapacity);
    a.prologue();
    if (options.poison_registers) a.poison();
    body(a);
    a.epilogue();
    return a.finish(name);
  } catch (const Xbyak::Error& e) {
    return make_error(Code::internal, name, ": assembler: ", e.what());
  } catch (const OutOfRegisters& e) {
    return make_error(Code::unsupported, name, ": ", e.message);
  } catch (const std::bad_alloc&) {
    return make_error(Code::out_of_memory, name, ": out of memory while generating code");
  }
}

}  // namespace quadlane
