#include "tools/cli/listing.h"

#include <cstdio>
#include <set>

#ifdef QUADLANE_ZYDIS
#include <Zydis/Zydis.h>
#endif

namespace quadlane::tools {
namespace {

#ifdef QUADLANE_ZYDIS
// One instruction a line behind its offset; constants behind the code are not instructions and are left out.
void disassemble(const run::Kernel& kernel) {
  ZydisDecoder decoder;
  ZydisFormatter formatter;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  const uint8_t* code = reinterpret_cast<const uint8_t*>(kernel.entry);
  for (size_t at = 0; at < kernel.instruction_bytes;) {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    char text[128] = "(bytes)";
    size_t length = 1;
    if (ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, code + at, kernel.instruction_bytes - at, &instruction, operands))) {
      ZydisFormatterFormatInstruction(&formatter, &instruction, operands, instruction.operand_count_visible, text,
                                      sizeof text, at, nullptr);
      length = instruction.length;
    }
    std::printf("  %6zx  %s\n", at, text);
    at += length;
  }
}
#else
void disassemble(const run::Kernel& kernel) {
  const uint8_t* code = reinterpret_cast<const uint8_t*>(kernel.entry);
  std::printf("  (built without a disassembler)");
  for (size_t at = 0; at < kernel.instruction_bytes; ++at) std::printf("%s%02x", at % 32 ? " " : "\n  ", code[at]);
  std::printf("\n");
}
#endif

// A step's text names its kernels, joined when there are several.
bool belongs(const run::Kernel& kernel, const run::StepInfo& info) {
  return !kernel.name.empty() && info.kernel.find(kernel.name) != std::string::npos;
}

}  // namespace

Status print_listing(const Model& model, const std::string& layer) {
  const run::Plan& plan = model.plan();
  bool found = false;
  std::set<const run::Kernel*> shown;
  for (const auto& step : plan.steps) {
    if (step->info.name != layer) continue;
    found = true;
    std::printf("%s '%s'  %s\n", step->info.op.c_str(), step->info.name.c_str(), step->info.kernel.c_str());
    for (const run::Kernel& kernel : plan.kernels) {
      if (!belongs(kernel, step->info) || !shown.insert(&kernel).second) continue;
      std::printf("%s: %zu bytes of code, %zu with constants\n", kernel.name.c_str(), kernel.instruction_bytes,
                  kernel.bytes);
      disassemble(kernel);
    }
  }
  if (!found) return invalid_argument("the plan has no step called '", layer, "', --plan lists them");
  if (shown.empty()) std::printf("  (no generated code)\n");
  return {};
}

}  // namespace quadlane::tools
