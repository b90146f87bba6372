#include "tools/code/crowd.h"

#include "tools/code/disassembly.h"

#ifdef QUADLANE_ZYDIS
#include <Zydis/Zydis.h>
#include <xbyak/xbyak.h>

#include <algorithm>
#include <cstring>
#include <map>
#endif

namespace quadlane::tools {

#ifdef QUADLANE_ZYDIS
namespace {

// What moving an instruction needs to know of it.
struct Placed {
  Instruction what;
  std::vector<uint8_t> bytes;
  std::optional<size_t> relative;  // where in `bytes` four bytes say how far behind its end ...
  int64_t target = 0;              // ... this place in the old code lies
  std::vector<uint8_t> company;    // runs in front of it, also when it is jumped to
  std::optional<size_t> data;      // where in `company` four bytes say how far the line of dead loads is
  size_t begin = 0;                // of its company in the new code
};

class Crowding {
 public:
  Crowding(const MachineCode& code, Crowd kind) : code_(code), kind_(kind) {}

  std::optional<MachineCode> make() {
    if (!read() || !find_free_register()) return {};
    for (Placed& p : all_) add_company(p);
    place();
    return write();
  }

 private:
  bool read();
  bool widen(Placed&, const ZydisDecodedInstruction&) const;
  bool find_free_register();
  void add_company(Placed&) const;
  void place();
  std::optional<MachineCode> write() const;

  const MachineCode& code_;
  Crowd kind_;
  std::vector<Placed> all_;
  std::map<size_t, size_t> at_;  // offset in the old code -> index
  bool used_[32] = {};
  int free_ = -1;
  size_t constants_ = 0, line_ = 0;  // in the new code
};

bool Crowding::read() {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  const run::Kernel kernel{code_.name, reinterpret_cast<KernelFn>(reinterpret_cast<uintptr_t>(code_.bytes.data())),
                           code_.bytes.size(), code_.instruction_bytes};
  for (Instruction& i : disassemble(kernel)) {
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const uint8_t* begin = code_.bytes.data() + i.offset;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, begin, i.bytes, &decoded, operands))) return false;
    for (int o = 0; o < decoded.operand_count; ++o) {
      if (operands[o].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
      const ZydisRegisterClass kind = ZydisRegisterGetClass(operands[o].reg.value);
      if (kind == ZYDIS_REGCLASS_XMM || kind == ZYDIS_REGCLASS_YMM || kind == ZYDIS_REGCLASS_ZMM)
        used_[ZydisRegisterGetId(operands[o].reg.value)] = true;
    }
    Placed p{std::move(i), {begin, begin + decoded.length}, {}, 0, {}, {}, 0};
    if (!widen(p, decoded)) return false;
    at_[p.what.offset] = all_.size();
    all_.push_back(std::move(p));
  }
  return !all_.empty();
}

// Jumps get four bytes for their way; what is addressed from the instruction's place is remembered.
bool Crowding::widen(Placed& p, const ZydisDecodedInstruction& decoded) const {
  const int64_t end = static_cast<int64_t>(p.what.offset + p.what.bytes);
  if (decoded.raw.imm[0].is_relative) {
    p.target = end + decoded.raw.imm[0].value.s;
    if (decoded.raw.imm[0].size == 8) {
      const uint8_t opcode = p.bytes[0];
      if (p.bytes.size() != 2 || (opcode != 0xeb && (opcode & 0xf0) != 0x70)) return false;
      p.bytes = opcode == 0xeb ? std::vector<uint8_t>{0xe9} : std::vector<uint8_t>{0x0f, uint8_t(opcode + 0x10)};
      p.bytes.resize(p.bytes.size() + 4);
    }
    p.relative = p.bytes.size() - 4;
    return true;
  }
  const bool jumps = decoded.meta.category == ZYDIS_CATEGORY_COND_BR || decoded.meta.category == ZYDIS_CATEGORY_CALL ||
                     decoded.meta.category == ZYDIS_CATEGORY_UNCOND_BR;
  if (decoded.attributes & ZYDIS_ATTRIB_IS_RELATIVE) {
    p.relative = decoded.raw.disp.offset;
    p.target = end + decoded.raw.disp.value;
  }
  return !jumps;
}

bool Crowding::find_free_register() {
  const bool wide = std::any_of(all_.begin(), all_.end(),
                                [](const Placed& p) { return p.what.text.find("zmm") != std::string::npos; });
  for (int r = wide ? 31 : 15; r >= 0 && free_ < 0; --r)
    if (!used_[r]) free_ = r;
  return free_ >= 0;
}

void Crowding::add_company(Placed& p) const {
  Xbyak::CodeGenerator c;
  const bool wide = p.what.text.find("zmm") != std::string::npos;
  const Xbyak::Xmm dead = wide ? Xbyak::Xmm(Xbyak::Zmm(free_)) : Xbyak::Xmm(Xbyak::Ymm(free_));
  const Xbyak::Xmm any = wide ? Xbyak::Xmm(Xbyak::Zmm(0)) : Xbyak::Xmm(Xbyak::Ymm(0));
  const bool high = free_ > 15;
  auto clear = [&] {
    high ? c.vpxord(dead, dead, dead) : c.vpxor(Xbyak::Xmm(free_), Xbyak::Xmm(free_), Xbyak::Xmm(free_));
  };
  auto wanted = [&](Crowd kind) { return kind_ == kind || kind_ == Crowd::everything; };
  if (wanted(Crowd::dots) && p.what.dot) {
    clear();  // a dot adds to its register: nothing waits for the one before
    if (p.what.text.rfind("vpdp", 0) == 0)
      c.vpdpbusd(dead, dead, dead);
    else if (p.what.text.rfind("vf", 0) == 0)
      c.vfmadd231ps(dead, dead, dead);
    else
      c.vpmaddwd(dead, dead, dead);
  }
  if (wanted(Crowd::accesses)) {
    for (int i = 0; i < p.what.stores; ++i) {
      c.mov(c.qword[c.rsp - 1024], c.rax);  // far below anything that lives there
      if (wide) c.mov(c.qword[c.rsp - 1088], c.rax);
    }
    if (p.what.loads > 0) {
      high ? c.vmovdqu32(dead, c.ptr[c.rip + 0]) : c.vmovdqu(dead, c.ptr[c.rip + 0]);
      p.data = c.getSize() - 4;
    }
  }
  if (wanted(Crowd::instructions)) {
    if (p.what.shuffle)
      c.vpshufb(dead, any, any);
    else if (p.what.vector || p.what.dot)
      c.vpaddd(dead, any, any);
    else
      c.nop();
  }
  p.company.assign(c.getCode(), c.getCode() + c.getSize());
}

// Constants keep their place within a line of the cache; the dead loads' line is the last one.
void Crowding::place() {
  size_t at = 0;
  for (Placed& p : all_) {
    p.begin = at;
    at += p.company.size() + p.bytes.size();
  }
  const size_t old = code_.instruction_bytes;
  constants_ = at + (old - at) % kCodeAlignment;
  line_ = (constants_ + code_.bytes.size() - old + kCodeAlignment - 1) / kCodeAlignment * kCodeAlignment;
}

std::optional<MachineCode> Crowding::write() const {
  MachineCode result{code_.name, std::vector<uint8_t>(line_ + kCodeAlignment), 0, {}};
  auto put = [&](size_t at, size_t end, size_t target) {
    const int32_t way = static_cast<int32_t>(static_cast<int64_t>(target) - static_cast<int64_t>(end));
    std::memcpy(result.bytes.data() + at, &way, 4);
  };
  size_t note = 0;
  for (const Placed& p : all_) {
    for (; note < code_.notes.size() && code_.notes[note].offset <= p.what.offset; ++note)
      result.notes.push_back({static_cast<uint32_t>(p.begin), code_.notes[note].text});
    std::copy(p.company.begin(), p.company.end(), result.bytes.begin() + static_cast<ptrdiff_t>(p.begin));
    const size_t at = p.begin + p.company.size(), end = at + p.bytes.size();
    if (p.data) put(p.begin + *p.data, at, line_);
    std::copy(p.bytes.begin(), p.bytes.end(), result.bytes.begin() + static_cast<ptrdiff_t>(at));
    if (!p.relative) continue;
    const size_t target = static_cast<size_t>(p.target);
    if (target >= code_.instruction_bytes) {
      put(at + *p.relative, end, constants_ + target - code_.instruction_bytes);
    } else {
      const auto found = at_.find(target);
      if (found == at_.end()) return {};
      put(at + *p.relative, end, all_[found->second].begin);
    }
  }
  const Placed& last = all_.back();
  result.instruction_bytes = static_cast<uint32_t>(last.begin + last.company.size() + last.bytes.size());
  std::copy(code_.bytes.begin() + code_.instruction_bytes, code_.bytes.end(),
            result.bytes.begin() + static_cast<ptrdiff_t>(constants_));
  return result;
}

}  // namespace

std::optional<MachineCode> crowded(const MachineCode& code, Crowd kind) { return Crowding(code, kind).make(); }
#else
std::optional<MachineCode> crowded(const MachineCode&, Crowd) { return {}; }
#endif

}  // namespace quadlane::tools
