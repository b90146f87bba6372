#include "jit/kernels/oconv.h"

#include <algorithm>
#include <cstring>

#include "jit/kernels/oconv_tile.h"
#include "jit/kernels/spec_hash.h"

namespace quadlane {
namespace {

constexpr int kVectorRegisters = 32;
// All taps of a plane are emitted one after the other: 5 x 5 still fits in the first-level instruction cache.
constexpr size_t kMaxTaps = 25;
constexpr int kMaxPixels = 32;  // bits of OconvTap::pixels

std::string hash_taps(const std::vector<std::vector<OconvTap>>& taps) {
  SpecHash hash;
  for (const auto& section : taps) {
    hash.add(section.size());
    for (const OconvTap& tap : section) hash.add(static_cast<uint64_t>(tap.offset)), hash.add(tap.pixels);
  }
  return hash.text();
}

template <class Put>
std::vector<std::byte> pack(const OconvSpec& spec, const std::vector<int64_t>& section_planes, const Put& put) {
  std::vector<std::byte> packed;
  const int lanes = spec.vectors() * kVectorPixels;
  for (size_t section = 0; section < spec.taps.size(); ++section)
    for (int64_t plane = 0; plane < section_planes[section]; ++plane)
      for (size_t tap = 0; tap < spec.taps[section].size(); ++tap) {
        const size_t at = packed.size();
        packed.resize(at + static_cast<size_t>(4 * lanes));
        for (int o = 0; o < spec.outputs; ++o)
          put(packed.data() + at + 4 * o, o, static_cast<int>(section), plane, static_cast<int>(tap));
      }
  return packed;
}

}  // namespace

std::string describe(const OconvSpec& s) {
  auto type = [](DType t) { return t == DType::u8 ? "u8" : "f32"; };
  std::string text = cat("oconv ", type(s.src), type(s.dst), " ", to_string(s.isa), " ", s.rows, "x", s.columns, " o",
                         s.outputs, " step", s.src_pixel, ",", s.src_row, ",", s.dst_row);
  if (s.up_y > 1 || s.up_x > 1) text += cat(" up", s.up_y, "x", s.up_x);
  text += " taps";
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
  if (s.prefetch) text += cat(" pf", s.prefetch);
  return text;
}

Status check(const OconvSpec& s) {
  auto is = [&](DType src, DType dst) { return s.src == src && s.dst == dst; };
  if (s.src == DType::u8 ? !has_vnni(s.isa) : !has_avx512(s.isa))
    return unsupported("no kernel with outputs in the lanes for instruction set ", to_string(s.isa));
  if (!is(DType::u8, DType::u8) && !is(DType::u8, DType::f32) && !is(DType::f32, DType::f32))
    return unsupported("no convolution kernel from ", to_string(s.src), " to ", to_string(s.dst));
  if (s.up_y < 1 || s.up_x < 1) return invalid_argument(s.up_y, " x ", s.up_x, " pixels of the result for one");
  if (s.rows < 1 || s.columns < 1 || s.pixels() > kMaxPixels || s.outputs < 1)
    return invalid_argument("a tile of ", s.rows, " x ", s.columns, " pixels x ", s.outputs, " outputs");
  if (s.taps.empty() || s.taps.size() > size_t{kMaxConvSections})
    return unsupported(s.taps.size(), " sections of planes, a kernel takes 1 to ", kMaxConvSections);
  for (const auto& section : s.taps) {
    if (section.empty() || section.size() > kMaxTaps)
      return unsupported("a section of ", section.size(), " taps, a kernel takes 1 to ", kMaxTaps);
    for (const OconvTap& tap : section)
      if (tap.offset % kPixelBytes != 0 || std::abs(tap.offset) >= int64_t{1} << 29)
        return unsupported("a tap at byte offset ", tap.offset, ", expected whole pixels and less than 2^29");
  }
  for (int64_t step : {s.src_pixel * s.columns, s.src_row * s.rows, s.dst_row * s.rows})
    if (step < 0 || step >= int64_t{1} << 29)
      return unsupported("a tile that spans ", step, " bytes, less than 2^29 fit");
  const ConvResidual fitting = s.dst == DType::u8 ? ConvResidual::u8 : ConvResidual::f32;
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
  const int needed = s.pixels() * s.vectors() + std::max(oconv_reduction_registers(s), oconv_epilogue_registers(s));
  if (needed > kVectorRegisters)
    return unsupported("a tile of ", s.rows, " x ", s.columns, " pixels x ", s.vectors(), " vectors of outputs needs ",
                       needed, " vector registers, there are ", kVectorRegisters);
  return {};
}

Result<MachineCode> generate(const OconvSpec& spec, const GenerateOptions& options) {
  if (Status status = check(spec); !status.ok()) return std::move(status).context(describe(spec)).error();
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) {
    Gp caller_stack = a.gp("caller's stack");
    a.enter_frame(caller_stack, ConvConstants::bytes(a));
    ConvConstants::emit(a, spec.dst, offsetof(OconvArgs, epilogue));
    OconvTile t{spec, a, a.vecs("acc", spec.pixels() * spec.vectors()), a.gp("src"), a.gp("dst"), a.gp("residual")};
    Gp tiles = a.gp("tiles");
    a.load_arg(t.src, offsetof(OconvArgs, src));
    a.load_arg(t.dst, offsetof(OconvArgs, dst));
    if (spec.residual != ConvResidual::none) a.load_arg(t.residual, offsetof(OconvArgs, residual));
    a.load_arg(tiles, offsetof(OconvArgs, tiles));
    a.loop(tiles, [&] {
      emit_oconv_reduction(t);
      emit_oconv_epilogue(t);
      a.add(t.src, a.ptr[a.args() + offsetof(OconvArgs, src_step)]);
      a.add(t.dst, a.ptr[a.args() + offsetof(OconvArgs, dst_step)]);
      if (spec.residual != ConvResidual::none) a.add(t.residual, a.ptr[a.args() + offsetof(OconvArgs, dst_step)]);
    });
    a.leave_frame(caller_stack);
  });
}

std::vector<std::byte> pack_oconv_weights(const OconvSpec& spec, const std::vector<int64_t>& section_planes,
                                          const ConvWeightS8& weight) {
  return pack(spec, section_planes, [&](std::byte* to, int o, int section, int64_t plane, int tap) {
    for (int c = 0; c < 4; ++c) to[c] = static_cast<std::byte>(weight(o, section, plane, tap, c));
  });
}

std::vector<std::byte> pack_oconv_weights(const OconvSpec& spec, const std::vector<int64_t>& section_planes,
                                          const ConvWeightF32& weight) {
  return pack(spec, section_planes, [&](std::byte* to, int o, int section, int64_t plane, int tap) {
    const float w = weight(o, section, plane, tap);
    std::memcpy(to, &w, sizeof w);
  });
}

}  // namespace quadlane
