#include "jit/kernels/conv.h"

#include <algorithm>
#include <cstddef>

#include "jit/kernels/conv_tile.h"
#include "jit/kernels/spec_hash.h"

namespace quadlane {
namespace {

// The text stays short, equal lists of offsets stay equal.
std::string hash_taps(const std::vector<std::vector<int64_t>>& taps) {
  SpecHash hash;
  for (const auto& section : taps) {
    hash.add(section.size());
    for (int64_t tap : section) hash.add(static_cast<uint64_t>(tap));
  }
  return hash.text();
}

int vector_registers(Isa isa) { return has_avx512(isa) ? 32 : 16; }
int registers_per_vector(Isa isa) { return has_avx512(isa) ? 1 : 2; }

bool fits(const ConvSpec& spec, int regs) {
  return regs * spec.no + std::max(reduction_registers(spec, regs), kEpilogueRegisters) <= vector_registers(spec.isa);
}

// The most pixel registers that divide the tile and fit: fewest reads of the weights.
int choose_registers(const ConvSpec& spec) {
  int all = spec.pv * registers_per_vector(spec.isa);
  if (spec.pass_registers > 0) return spec.pass_registers;
  for (int regs = all; regs > 1; --regs)
    if (all % regs == 0 && fits(spec, regs)) return regs;
  return 1;
}

void emit_pass(ConvTile& t) {
  emit_conv_reduction(t);
  emit_conv_epilogue(t);
  int bytes = t.regs * t.a.vector_bytes();
  t.a.add(t.src, bytes);
  t.a.add(t.dst, bytes);
  if (t.spec.residual != ConvResidual::none) t.a.add(t.residual, bytes);
  t.a.add(t.lanes, t.regs * t.a.lanes() / 8);
}

}  // namespace

std::string describe(const ConvSpec& s) {
  auto type = [](DType t) { return t == DType::u8 ? "u8" : "f32"; };
  std::string text = cat("conv ", type(s.src), type(s.dst), " ", to_string(s.isa), " pv", s.pv, " no", s.no, " taps");
  for (size_t i = 0; i < s.taps.size(); ++i) text += cat(i ? "+" : "[", s.taps[i].size());
  text += cat(":", hash_taps(s.taps), "]");
  if (s.clamp_lo) text += " lo";
  if (s.clamp_hi) text += " hi";
  if (s.shift) text += " shift";
  if (s.slope) text += " slope";
  if (s.table) text += " table";
  if (s.residual != ConvResidual::none) text += s.residual == ConvResidual::u8 ? " +u8" : " +f32";
  if (s.residual == ConvResidual::u8 && s.residual_zero) text += " zero";
  if (s.act != Activation::none) text += cat(" ", to_string(s.act));
  if (s.dst == DType::u8) text += describe(s.rounding);
  if (s.pass_registers) text += cat(" r", s.pass_registers);
  if (s.weight_registers) text += " wr";
  if (s.prefetch) text += cat(" pf", s.prefetch);
  return text;
}

Status check(const ConvSpec& s) {
  auto is = [&](DType src, DType dst) { return s.src == src && s.dst == dst; };
  if (s.isa == Isa::reference) return unsupported("no convolution kernel for instruction set reference");
  if (!is(DType::u8, DType::u8) && !is(DType::u8, DType::f32) && !is(DType::f32, DType::f32))
    return unsupported("no convolution kernel from ", to_string(s.src), " to ", to_string(s.dst));
  if (s.pv < 1 || s.no < 1) return invalid_argument("a tile of ", s.pv, " vectors x ", s.no, " outputs");
  if (s.taps.empty() || s.taps.size() > size_t{kMaxConvSections})
    return unsupported(s.taps.size(), " sections of planes, a kernel takes 1 to ", kMaxConvSections);
  for (const auto& section : s.taps) {
    if (section.empty()) return invalid_argument("a section without taps");
    for (int64_t tap : section)
      if (tap % kPixelBytes != 0 || std::abs(tap) >= int64_t{1} << 30)
        return unsupported("a tap at byte offset ", tap, ", expected whole pixels and less than 2^30");
  }
  ConvResidual fitting = s.dst == DType::u8 ? ConvResidual::u8 : ConvResidual::f32;
  if (s.residual != ConvResidual::none && s.residual != fitting)
    return unsupported("a residual of another type than the output ", to_string(s.dst));
  if (s.shift && !is(DType::u8, DType::f32))
    return unsupported("a shift from ", to_string(s.src), " to ", to_string(s.dst), ", expected u8 to f32");
  if (s.act != Activation::none && s.dst == DType::u8) return unsupported("an activation on a u8 output");
  if (s.slope && (s.act != Activation::none || s.residual != ConvResidual::none))
    return unsupported("a slope together with an activation or a residual");
  if (s.table && (s.dst != DType::u8 || !has_avx512(s.isa)))
    return unsupported("a table for ", to_string(s.isa), " behind an output ", to_string(s.dst),
                       ", expected AVX-512 and u8");
  if (!conv_applies(s.act)) return unsupported("no ", to_string(s.act), " behind a convolution");
  int all = s.pv * registers_per_vector(s.isa), regs = choose_registers(s);
  if (all % regs != 0) return invalid_argument(regs, " pixel registers a pass do not divide ", all);
  if (!fits(s, regs))
    return unsupported("a tile of ", regs, " pixel registers x ", s.no, " outputs needs more than ",
                       vector_registers(s.isa), " vector registers");
  return {};
}

Result<MachineCode> generate(const ConvSpec& spec, const GenerateOptions& options) {
  if (Status status = check(spec); !status.ok()) return std::move(status).context(describe(spec)).error();
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) {
    Gp caller_stack = a.gp("caller's stack");
    a.enter_frame(caller_stack, ConvConstants::bytes(a));
    ConvConstants::emit(a, spec.dst, offsetof(ConvArgs, epilogue));
    const int regs = choose_registers(spec), all = spec.pv * a.registers();
    ConvTile t{spec,
               a,
               regs,
               a.vecs("acc", regs * spec.no),
               a.gp("src"),
               a.gp("dst"),
               a.gp("residual"),
               a.gp("lanes"),
               a.gp("passes")};
    a.load_arg(t.src, offsetof(ConvArgs, src));
    a.load_arg(t.dst, offsetof(ConvArgs, dst));
    if (spec.residual != ConvResidual::none) a.load_arg(t.residual, offsetof(ConvArgs, residual));
    a.load_arg(t.lanes, offsetof(ConvArgs, lanes));
    a.load_arg(t.passes, offsetof(ConvArgs, tiles));
    if (all != regs) a.imul(t.passes, t.passes, all / regs);
    a.loop(t.passes, [&] { emit_pass(t); });
    a.leave_frame(caller_stack);
  });
}

ConvSpec with_vectors(ConvSpec spec, int pv) {
  int all = pv * registers_per_vector(spec.isa);
  spec.pv = pv;
  while (spec.pass_registers > 0 && all % spec.pass_registers != 0) --spec.pass_registers;
  return spec;
}

int dst_plane_count(const ConvSpec& spec) { return spec.dst == DType::u8 ? (spec.no + 3) / 4 : spec.no; }

}  // namespace quadlane
