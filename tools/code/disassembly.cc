#include "tools/code/disassembly.h"

#include <algorithm>

#ifdef QUADLANE_ZYDIS
#include <Zydis/Zydis.h>
#endif

namespace quadlane::tools {

#ifdef QUADLANE_ZYDIS
namespace {

bool is_dot(ZydisMnemonic m) {
  const std::string name = ZydisMnemonicGetString(m);
  return name.rfind("vpdp", 0) == 0 || name.rfind("vfmadd", 0) == 0 || name.rfind("vfnmadd", 0) == 0 ||
         name.rfind("vpmadd", 0) == 0;
}

bool is_shuffle(const std::string& name) {
  for (const char* start : {"vperm", "vpshuf", "vshuf", "vpunpck", "vunpck", "vpack", "vpalign", "valign", "vpmovzx",
                            "vpmovsx", "vpmovdb", "vpmovdw", "vpmovusdb", "vpmovsdb", "vinsert", "vextract"})
    if (name.rfind(start, 0) == 0) return true;
  return false;
}

bool is_vector(const ZydisDecodedOperand& operand) {
  if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
  const ZydisRegisterClass kind = ZydisRegisterGetClass(operand.reg.value);
  return kind == ZYDIS_REGCLASS_XMM || kind == ZYDIS_REGCLASS_YMM || kind == ZYDIS_REGCLASS_ZMM;
}

void classify(const ZydisDecodedInstruction& decoded, const ZydisDecodedOperand* operands, Instruction& result) {
  bool memory = false;
  const bool on_vectors = std::any_of(operands, operands + decoded.operand_count, is_vector);
  for (size_t i = 0; i < decoded.operand_count; ++i) {
    const ZydisDecodedOperand& operand = operands[i];
    // Prefetches and address computations name memory without an access that counts.
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.type != ZYDIS_MEMOP_TYPE_MEM) continue;
    if (decoded.meta.category == ZYDIS_CATEGORY_PREFETCH) continue;
    memory = true;
    const bool reads = operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ;
    const bool writes = operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    result.loads += reads;
    result.stores += writes;
    if (!on_vectors || operand.mem.base == ZYDIS_REGISTER_RSP || operand.mem.base == ZYDIS_REGISTER_RIP) continue;
    if (reads) result.loaded_bytes += operand.size / 8;
    if (writes) result.stored_bytes += operand.size / 8;
  }
  const std::string name = ZydisMnemonicGetString(decoded.mnemonic);
  const bool plain_move =
      memory && (name.rfind("vmov", 0) == 0 || name.rfind("vpbroadcast", 0) == 0 || name.rfind("vbroadcast", 0) == 0);
  result.dot = is_dot(decoded.mnemonic);
  result.vector = on_vectors && !plain_move;
  result.shuffle = result.vector && is_shuffle(name);
}

}  // namespace

std::vector<Instruction> disassemble(const run::Kernel& kernel) {
  ZydisDecoder decoder;
  ZydisFormatter formatter;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  const uint8_t* code = reinterpret_cast<const uint8_t*>(kernel.entry);
  std::vector<Instruction> all;
  for (size_t at = 0; at < kernel.instruction_bytes;) {
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    Instruction next;
    next.offset = at;
    next.bytes = 1;
    next.text = "(bytes)";
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + at, kernel.instruction_bytes - at, &decoded, operands))) {
      char text[128];
      ZydisFormatterFormatInstruction(&formatter, &decoded, operands, decoded.operand_count_visible, text, sizeof text,
                                      at, nullptr);
      next.text = text;
      next.bytes = decoded.length;
      classify(decoded, operands, next);
      if (decoded.meta.category == ZYDIS_CATEGORY_COND_BR || decoded.meta.category == ZYDIS_CATEGORY_UNCOND_BR) {
        ZyanU64 target = 0;
        if (ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&decoded, &operands[0], at, &target))) next.jump = target;
      }
    }
    at += next.bytes;
    all.push_back(std::move(next));
  }
  return all;
}
#else
std::vector<Instruction> disassemble(const run::Kernel&) { return {}; }
#endif

std::vector<Loop> find_loops(const std::vector<Instruction>& code) {
  std::vector<Loop> loops;
  for (const Instruction& i : code) {
    if (!i.jump || *i.jump > i.offset) continue;
    // Several jumps to one place are one loop.
    auto same = std::find_if(loops.begin(), loops.end(), [&](const Loop& l) { return l.begin == *i.jump; });
    if (same != loops.end())
      same->end = std::max(same->end, i.offset);
    else
      loops.push_back({*i.jump, i.offset, 0, {}, true});
  }
  std::sort(loops.begin(), loops.end(),
            [](const Loop& a, const Loop& b) { return a.begin != b.begin ? a.begin < b.begin : a.end > b.end; });
  auto inside = [](const Loop& inner, const Loop& outer) {
    return &inner != &outer && inner.begin >= outer.begin && inner.end <= outer.end;
  };
  for (Loop& loop : loops)
    for (Loop& other : loops)
      if (inside(loop, other)) {
        ++loop.depth;
        other.innermost = false;
      }
  for (const Instruction& i : code) {
    Loop* owner = nullptr;  // the deepest that holds it
    for (Loop& loop : loops)
      if (i.offset >= loop.begin && i.offset <= loop.end && (!owner || loop.depth >= owner->depth)) owner = &loop;
    if (!owner) continue;
    Mix& mix = owner->mix;
    mix.dots += i.dot;
    mix.vector += i.vector && !i.dot;
    mix.shuffles += i.shuffle;
    mix.loads += i.loads;
    mix.stores += i.stores;
    mix.loaded_bytes += i.loaded_bytes;
    mix.stored_bytes += i.stored_bytes;
    ++mix.instructions;
  }
  return loops;
}

std::optional<Loop> hot_loop(const std::vector<Loop>& loops) {
  std::optional<Loop> best;
  auto weight = [](const Loop& l) { return std::pair(l.mix.dots, l.mix.loads + l.mix.stores); };
  for (const Loop& loop : loops)
    if (loop.innermost && (!best || weight(loop) > weight(*best))) best = loop;
  return best;
}

std::optional<Loop> loop_around(const std::vector<Loop>& loops, const Loop& hot) {
  std::optional<Loop> nearest;
  for (const Loop& loop : loops)
    if (loop.begin <= hot.begin && loop.end >= hot.end && loop.depth < hot.depth && loop.mix.stores > 0 &&
        (!nearest || loop.depth > nearest->depth))
      nearest = loop;
  return nearest;
}

double Pressure::instructions() const { return std::max({vector, shuffles, front_end}); }
double Pressure::cycles() const { return std::max({dots, loads, stores, instructions()}); }

const char* Pressure::bottleneck() const {
  const double most = cycles();
  if (dots == most) return "dots";
  if (loads == most) return "loads";
  if (stores == most) return "stores";
  if (vector == most) return "vector operations";
  return shuffles == most ? "shuffles" : "instructions";
}

Pressure pressure(const Mix& mix, const MachineRates& rates, double dots) {
  auto cycles = [&](int count, double rate) { return rate > 0 ? count * rates.clock / rate : 0; };
  // Dots take the vector units too.
  return {cycles(mix.dots, dots),
          cycles(mix.loads, rates.loads),
          cycles(mix.stores, rates.stores),
          cycles(mix.dots + mix.vector, rates.vector_ops),
          cycles(mix.shuffles, rates.shuffles),
          cycles(mix.instructions, rates.instructions)};
}

}  // namespace quadlane::tools
