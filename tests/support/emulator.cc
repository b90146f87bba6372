#include "tests/support/emulator.h"

#include <unordered_map>

#include "tests/support/emulator_machine.h"

namespace quadlane {
namespace emulation {
namespace {

constexpr uint64_t kReturn = 0x5245545552'4eULL;  // return address of the outermost call: nobody's code
constexpr size_t kStackBytes = 4096;

const Handler* find_handler(ZydisMnemonic mnemonic) {
  for (const Handlers* table : {&general_handlers(), &arithmetic_handlers(), &move_handlers(), &mask_handlers()})
    if (auto found = table->find(mnemonic); found != table->end()) return &found->second;
  return nullptr;
}

bool allowed(Isa isa, bool vbmi, ZydisISASet set) {
  std::string name = ZydisISASetGetString(set);
  for (const char* base : {"I86", "I186", "I386", "I486", "LONGMODE", "CMOV", "FAT_NOP", "SSE_PREFETCH", "PREFETCH_NOP",
                           "AVX", "AVX2", "AVX2GATHER", "FMA", "F16C", "BMI1", "BMI2"})
    if (name == base) return true;
  if (!has_avx512(isa)) return false;
  for (const char* prefix : {"AVX512F_", "AVX512BW_", "AVX512DQ_"})
    if (name.rfind(prefix, 0) == 0) return true;
  if (has_vnni(isa) && name.rfind("AVX512_VNNI_", 0) == 0) return true;
  return vbmi && name.rfind("AVX512_VBMI_", 0) == 0;
}

bool is_vector(ZydisRegisterClass c) {
  return c == ZYDIS_REGCLASS_XMM || c == ZYDIS_REGCLASS_YMM || c == ZYDIS_REGCLASS_ZMM;
}

// False for what the emulator does not model: segments, ah..bh, address-size overrides.
bool convert(const ZydisDecodedOperand& from, const Instruction& i, Operand& to) {
  to.bytes = static_cast<uint16_t>(from.size / 8);
  switch (from.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER: {
      ZydisRegister reg = from.reg.value;
      ZydisRegisterClass c = ZydisRegisterGetClass(reg);
      to.index = static_cast<uint8_t>(ZydisRegisterGetId(reg));
      if (is_vector(c)) {
        to.kind = Operand::Kind::vector;
        to.bytes = static_cast<uint16_t>(ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg) / 8);
      } else if (c == ZYDIS_REGCLASS_MASK) {
        to.kind = Operand::Kind::mask;
      } else {
        to.kind = Operand::Kind::general;
        if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) return false;
        if (c == ZYDIS_REGCLASS_GPR8)  // al..bl, ah..bh, spl..dil, r8b..r15b are numbered in this order
          to.index =
              static_cast<uint8_t>(reg < ZYDIS_REGISTER_AH ? reg - ZYDIS_REGISTER_AL : reg - ZYDIS_REGISTER_SPL + 4);
        if (c != ZYDIS_REGCLASS_GPR8 && c != ZYDIS_REGCLASS_GPR16 && c != ZYDIS_REGCLASS_GPR32 &&
            c != ZYDIS_REGCLASS_GPR64)
          return false;
      }
      return true;
    }
    case ZYDIS_OPERAND_TYPE_MEMORY: {
      to.kind = Operand::Kind::memory;
      auto id = [](ZydisRegister reg) -> int8_t {
        if (reg == ZYDIS_REGISTER_NONE) return Operand::kNoRegister;
        if (reg == ZYDIS_REGISTER_RIP) return Operand::kRip;
        return static_cast<int8_t>(ZydisRegisterGetId(reg));
      };
      to.base = id(from.mem.base);
      to.scaled = id(from.mem.index);
      to.scale = from.mem.scale;
      to.value = from.mem.disp.value;
      if (to.base == Operand::kRip) to.value += i.offset + i.length;
      return true;
    }
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      to.kind = Operand::Kind::immediate;
      to.value = from.imm.is_signed ? from.imm.value.s : static_cast<int64_t>(from.imm.value.u);
      if (from.imm.is_relative) to.value += i.offset + i.length;
      return true;
    default: return false;
  }
}

void count(const ZydisDecodedInstruction& in, Instruction& i) {
  InstructionCounts& c = i.counts;
  c.total = 1;
  std::string name = ZydisMnemonicGetString(in.mnemonic);
  if (name.rfind("prefetch", 0) == 0) {
    c.prefetches = 1;
    return;
  }
  if (name == "nop") return;  // its operand is never touched
  c.branches = is_jump(in.mnemonic);
  c.dots = name == "vpdpbusd" || name == "vpmaddwd" || name == "vpmaddubsw";
  c.fmas = name.rfind("vfmadd", 0) == 0 || name.rfind("vfnmadd", 0) == 0;
  for (int n = 0; n < i.operands; ++n) {
    const Operand& o = i.operand[n];
    if (o.kind == Operand::Kind::vector) c.vector = 1;
    if (o.kind != Operand::Kind::memory || name == "lea" || o.base == 4) continue;
    bool writes = n == 0 && name != "cmp" && name != "test" && name != "kortestw" && i.operands > 1;
    (writes ? c.stores : c.loads) = 1;
    if (!writes && (i.broadcast || name.rfind("vpbroadcast", 0) == 0 || name.rfind("vbroadcast", 0) == 0))
      c.broadcasts = 1;
  }
}

Result<Instruction> decode(const ZydisDecoder& decoder, const MachineCode& code, Isa isa, bool vbmi, uint64_t offset) {
  if (offset >= code.instruction_bytes) return invalid_argument("jump out of the code to offset ", offset);
  ZydisDecodedInstruction in;
  ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
  if (ZYAN_FAILED(
          ZydisDecoderDecodeFull(&decoder, code.bytes.data() + offset, code.instruction_bytes - offset, &in, ops)))
    return invalid_argument("no instruction at offset ", offset);
  std::string where = cat(ZydisMnemonicGetString(in.mnemonic), " at offset ", offset);
  const Handler* handler = find_handler(in.mnemonic);
  if (!handler) return unsupported("unknown instruction ", where);
  if (!allowed(isa, vbmi, in.meta.isa_set))
    return unsupported(where, " needs ", ZydisISASetGetString(in.meta.isa_set), ", code is for ", to_string(isa));
  Instruction i;
  i.run = *handler;
  i.mnemonic = static_cast<uint16_t>(in.mnemonic);
  i.offset = static_cast<uint32_t>(offset);
  i.length = in.length;
  i.vector_bytes = static_cast<uint16_t>(in.avx.vector_length / 8);
  i.zeroing = in.avx.mask.mode == ZYDIS_MASK_MODE_ZEROING || in.avx.mask.mode == ZYDIS_MASK_MODE_CONTROL_ZEROING;
  i.control = in.avx.mask.mode == ZYDIS_MASK_MODE_CONTROL || in.avx.mask.mode == ZYDIS_MASK_MODE_CONTROL_ZEROING;
  if (in.avx.rounding.mode != ZYDIS_ROUNDING_MODE_INVALID && in.avx.rounding.mode != ZYDIS_ROUNDING_MODE_RN)
    return unsupported("embedded rounding of ", where);
  for (int n = 0; n < in.operand_count_visible; ++n) {
    if (ops[n].encoding == ZYDIS_OPERAND_ENCODING_MASK) {
      i.mask = static_cast<uint8_t>(ZydisRegisterGetId(ops[n].reg.value));
      continue;
    }
    if (i.operands == 5 || !convert(ops[n], i, i.operand[i.operands++])) return unsupported("operand of ", where);
    if (ops[n].type == ZYDIS_OPERAND_TYPE_MEMORY && !in.avx.broadcast.is_static &&
        in.avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID) {
      i.broadcast = static_cast<uint8_t>(ops[n].element_size / 8);
      i.operand[i.operands - 1].bytes = i.broadcast;
    }
  }
  count(in, i);
  return i;
}

}  // namespace

uint64_t Machine::address(const Operand& o) const {
  if (o.base == Operand::kRip) return reinterpret_cast<uint64_t>(code) + static_cast<uint64_t>(o.value);
  uint64_t a = static_cast<uint64_t>(o.value);
  if (o.base >= 0) a += r[o.base];
  if (o.scaled >= 0) a += r[o.scaled] * o.scale;
  return a;
}

uint8_t* Machine::memory(uint64_t at, size_t bytes, bool write) {
  for (const Region& region : regions)
    if (at >= region.begin && at + bytes <= region.end && at + bytes >= at && (region.writable || !write))
      return reinterpret_cast<uint8_t*>(at);
  std::string nearest = "no region";
  uint64_t best = ~uint64_t{0};
  for (const Region& region : regions) {
    uint64_t distance = at < region.begin ? region.begin - at : at >= region.end ? at - region.end : 0;
    if (distance >= best) continue;
    best = distance;
    nearest = cat("'", region.name, "' of ", region.end - region.begin, " bytes, at its byte ",
                  static_cast<int64_t>(at - region.begin), region.writable || !write ? "" : " (read only)");
  }
  fail(cat(write ? "write" : "read", " of ", bytes, " bytes outside what is allowed; nearest is ", nearest));
  return nullptr;
}

}  // namespace emulation

struct Emulator::State {
  MachineCode code;
  Isa isa;
  bool vbmi;
  ZydisDecoder decoder;
  emulation::Machine machine;
  std::vector<int32_t> index;  // by offset: into instructions, or -1
  std::vector<emulation::Instruction> instructions;
  std::vector<int64_t> executed;
  std::vector<uint8_t> stack;
  InstructionCounts counts;

  void add_counts();
};

Emulator::Emulator(const MachineCode& code, Isa isa, bool vbmi) : state_(std::make_unique<State>()) {
  state_->code = code;
  state_->isa = isa;
  state_->vbmi = vbmi;
  ZydisDecoderInit(&state_->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  state_->index.assign(code.bytes.size(), -1);
  state_->stack.resize(emulation::kStackBytes);
  clear_regions();
}
Emulator::~Emulator() = default;
Emulator::Emulator(Emulator&&) noexcept = default;

void Emulator::allow(const void* data, size_t bytes, Access access, std::string name) {
  uint64_t at = reinterpret_cast<uint64_t>(data);
  state_->machine.regions.push_back({at, at + bytes, access == Access::read_write, false, std::move(name)});
}

void Emulator::clear_regions() {
  State& s = *state_;
  s.machine.regions.clear();
  allow(s.stack.data(), s.stack.size(), Access::read_write, "stack");
  allow(s.code.bytes.data() + s.code.instruction_bytes, s.code.bytes.size() - s.code.instruction_bytes, Access::read,
        "constants");
}

const InstructionCounts& Emulator::counts() const { return state_->counts; }

void Emulator::State::add_counts() {
  for (size_t i = 0; i < instructions.size(); ++i) {
    const InstructionCounts& c = instructions[i].counts;
    int64_t n = std::exchange(executed[i], 0);
    counts.total += n * c.total;
    counts.vector += n * c.vector;
    counts.dots += n * c.dots;
    counts.fmas += n * c.fmas;
    counts.loads += n * c.loads;
    counts.broadcasts += n * c.broadcasts;
    counts.stores += n * c.stores;
    counts.prefetches += n * c.prefetches;
    counts.branches += n * c.branches;
  }
}

Status Emulator::run(const void* args, int64_t max_instructions) {
  State& s = *state_;
  emulation::Machine& m = s.machine;
  m.code = s.code.bytes.data();
  m.error.clear();
  for (auto& v : m.v) std::memset(v.bytes, 0xd7, sizeof v.bytes);
  for (uint64_t& k : m.k) k = 0xb6b6b6b6b6b6b6b6;
  for (size_t i = 0; i < 16; ++i) m.r[i] = 0xbad0'0000'0000'0000 + i;
  m.r[7] = reinterpret_cast<uint64_t>(args);
  uint64_t stack_pointer = reinterpret_cast<uint64_t>(s.stack.data()) + s.stack.size() - 64;
  stack_pointer = (stack_pointer & ~uint64_t{15}) - 8;  // as after a call
  std::memcpy(reinterpret_cast<void*>(stack_pointer), &emulation::kReturn, 8);
  m.r[4] = stack_pointer;

  m.next = 0;
  const emulation::Instruction* at = nullptr;
  int64_t done = 0;
  for (; m.next != emulation::kReturn && done < max_instructions; ++done) {
    int32_t index = m.next < s.index.size() ? s.index[m.next] : -1;
    if (index < 0) {
      auto decoded = emulation::decode(s.decoder, s.code, s.isa, s.vbmi, m.next);
      if (!decoded.ok()) return std::move(decoded).error();
      index = s.index[m.next] = static_cast<int32_t>(s.instructions.size());
      s.instructions.push_back(*decoded);
      s.executed.push_back(0);
    }
    at = &s.instructions[static_cast<size_t>(index)];
    ++s.executed[static_cast<size_t>(index)];
    m.next = at->offset + at->length;
    at->run(m, *at);
    if (!m.error.empty())
      return make_error(Code::internal, ZydisMnemonicGetString(static_cast<ZydisMnemonic>(at->mnemonic)), " at offset ",
                        at->offset, ": ", m.error);
  }
  s.add_counts();
  if (m.next != emulation::kReturn) return make_error(Code::internal, "no return after ", done, " instructions");
  for (size_t i : {3, 5, 12, 13, 14, 15})
    if (m.r[i] != 0xbad0'0000'0000'0000 + i)
      return make_error(Code::internal, "callee-saved register ", i, " is changed on return");
  if (m.r[4] != stack_pointer + 8) return make_error(Code::internal, "the stack pointer is changed on return");
  return {};
}

}  // namespace quadlane
