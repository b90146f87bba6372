#include "tools/cli/listing.h"

#include <cstdio>
#include <set>

#include "jit/peak.h"
#include "tools/cli/nearest.h"

namespace quadlane::tools {
namespace {

struct Rates {
  MachineRates rates;
  double dots = 0;  // 1e9 a second
};

// Of this machine, where it runs the plan's instruction set.
std::optional<Rates> rates_for(const Model& model) {
  if (model.isa() == Isa::reference) return {};
  auto rates = measure_rates(model.isa());
  const DType type = model.is_int8() ? DType::u8 : DType::f32;
  auto peak = measure_peak_gmacs(model.isa(), type);
  if (!rates.ok() || !peak.ok()) return {};
  const int macs = type == DType::f32 ? vector_lanes(model.isa()) : int8_macs_per_dot(model.isa());
  return Rates{*rates, *peak / macs};
}

void print_loop(const Loop& loop, const std::optional<Rates>& rates, const char* indent) {
  const Mix& m = loop.mix;
  std::printf(
      "%s; loop %zx to %zx: %d dots, %d loads, %d stores, %d other vector (%d of them shuffles), %d "
      "instructions an iteration",
      indent, loop.begin, loop.end, m.dots, m.loads, m.stores, m.vector, m.shuffles, m.instructions);
  if (rates) {
    const Pressure p = pressure(m, rates->rates, rates->dots);
    std::printf(
        "\n%s; cycles of each port group: dots %.1f, loads %.1f, stores %.1f, vector %.1f, shuffles %.1f, front end "
        "%.1f: at "
        "least %.1f, bound by %s",
        indent, p.dots, p.loads, p.stores, p.vector, p.shuffles, p.front_end, p.cycles(), p.bottleneck());
  }
  std::printf("\n");
}

// Instructions behind their offsets, indented by loop depth; the generator's notes and the loops' costs between them.
// Constants behind the code are not instructions and are left out.
void print_code(const run::Kernel& kernel, const std::optional<Rates>& rates) {
  const std::vector<Instruction> code = disassemble(kernel);
  if (code.empty()) {
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(kernel.entry);
    std::printf("  (built without a disassembler)");
    for (size_t at = 0; at < kernel.instruction_bytes; ++at) std::printf("%s%02x", at % 32 ? " " : "\n  ", bytes[at]);
    std::printf("\n");
    return;
  }
  const std::vector<Loop> loops = find_loops(code);
  size_t note = 0;
  for (const Instruction& i : code) {
    int depth = 0;
    for (const Loop& loop : loops) depth += i.offset >= loop.begin && i.offset <= loop.end;
    const std::string indent(static_cast<size_t>(10 + 2 * depth), ' ');
    for (; note < kernel.notes.size() && kernel.notes[note].offset <= i.offset; ++note)
      std::printf("%s; %s\n", indent.c_str(), kernel.notes[note].text.c_str());
    for (const Loop& loop : loops)
      if (loop.begin == i.offset) print_loop(loop, rates, indent.c_str());
    std::printf("  %6zx  %s%s\n", i.offset, std::string(static_cast<size_t>(2 * depth), ' ').c_str(), i.text.c_str());
  }
}

}  // namespace

std::vector<const run::Kernel*> kernels_of(const run::Plan& plan, const run::StepInfo& info) {
  std::vector<const run::Kernel*> kernels;
  for (uint32_t index : info.kernels)
    if (index < plan.kernels.size()) kernels.push_back(&plan.kernels[index]);
  return kernels;
}

std::optional<HotLoop> hot_loop_of(const run::Plan& plan, const run::StepInfo& info) {
  std::optional<HotLoop> hottest;
  auto weight = [](const Mix& m) { return std::pair(m.dots, m.loads + m.stores); };
  for (const run::Kernel* kernel : kernels_of(plan, info)) {
    const std::vector<Loop> loops = find_loops(disassemble(*kernel));
    const std::optional<Loop> hot = hot_loop(loops);
    if (!hot || (hottest && weight(hot->mix) <= weight(hottest->mix))) continue;
    const std::optional<Loop> around = loop_around(loops, *hot);
    hottest = HotLoop{hot->mix, around ? around->mix : Mix{}};
  }
  return hottest;
}

Status print_listing(const Model& model, const std::string& layer) {
  const run::Plan& plan = model.plan();
  std::vector<std::string> names;
  for (const auto& step : plan.steps) names.push_back(step->info.name);
  QL_CHECK_OK(known_name("step", layer, names));
  const std::optional<Rates> rates = rates_for(model);
  std::set<const run::Kernel*> shown;
  for (const auto& step : plan.steps) {
    if (step->info.name != layer) continue;
    std::printf("%s '%s'  %s\n", step->info.op.c_str(), step->info.name.c_str(), step->info.kernel.c_str());
    for (const run::Kernel* kernel : kernels_of(plan, step->info)) {
      if (!shown.insert(kernel).second) continue;
      std::printf("%s: %zu bytes of code, %zu with constants\n", kernel->name.c_str(), kernel->instruction_bytes,
                  kernel->bytes);
      print_code(*kernel, rates);
    }
  }
  if (shown.empty()) std::printf("  (no generated code)\n");
  return {};
}

}  // namespace quadlane::tools
