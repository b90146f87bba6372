// Accumulators to stored pixels.
//
// u8: the quad (r0, r1, r2, r3) of s32 vectors, one for each channel, is converted and rounded, then
//     vpackssdw  [r0 r0 r0 r0 r1 r1 r1 r1]  [r2 r2 r2 r2 r3 r3 r3 r3]   16 bits, in each 128-bit lane
//     vpaddsw    + out_zero
//     vpackuswb  [r0 x4 | r1 x4 | r2 x4 | r3 x4]                          bytes
//     vpshufb    [r0 r1 r2 r3] x 4                                        pixels
//     vpmaxub, vpminub with [out_lo, out_hi]
//     vpermt2b twice                                                     where there is a table
// Every step is monotonic and saturates outside 0..255, so this equals clamping before rounding, except for v >= 2^31,
// which conversion would turn into the smallest integer: there vminps comes first. What the facts of the rounding make
// needless is left out.
//
// Lanes that are no pixels take the plane's padding.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "jit/kernels/conv_tile.h"
#include "jit/kernels/functions.h"
#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

using Xbyak::Address;
using Name = ConvConstants::Name;

struct Epilogue {
  ConvTile& t;
  Assembler& a;
  Gp mult, planes, pads, residual_planes, at;
  Vec temp, temp2;
  Mask lanes;
  std::optional<ByteLookup> table;

  Address constant(Name name) const { return ConvConstants::at(a, name); }
  bool avx512() const { return a.avx512(); }
};

// v * mult[o] for integer accumulators; fp32 ones are final.
void emit_scale(Epilogue& e, const Vec& v, int o) {
  Assembler& a = e.a;
  if (e.t.spec.src != DType::u8) return;
  a.vcvtdq2ps(v, v);
  if (e.avx512()) return a.vmulps(v, v, a.ptr_b[e.mult + 4 * o]);
  a.vbroadcastss(e.temp, a.ptr[e.mult + 4 * o]);
  a.vmulps(v, v, e.temp);
}

// v = v < 0 ? v * slope[o] : v; by the sign, as -0 times a slope is a zero again.
void emit_slope(Epilogue& e, const Vec& v, int o) {
  Assembler& a = e.a;
  if (!e.t.spec.slope) return;
  const int at = 4 * (e.t.spec.no + o);
  if (e.avx512()) {
    Mask negative = a.mask("negative");
    a.vpmovd2m(negative.k(), v);
    return a.vmulps(v | negative.k(), v, a.ptr_b[e.mult + at]);
  }
  a.vbroadcastss(e.temp, a.ptr[e.mult + at]);
  a.vmulps(e.temp, v, e.temp);
  a.vblendvps(v, v, e.temp, v);
}

// v += float(r - residual_zero) * residual_mult for byte `channel` of the residual's pixels.
void emit_residual_u8(Epilogue& e, const Vec& v, int channel, const Vec& pixels) {
  Assembler& a = e.a;
  std::vector<uint32_t> pick;  // an index with bit 7 set makes a zero
  for (uint32_t pixel = 0; pixel < 4; ++pixel)
    pick.push_back(0x80808000u | (4 * pixel + static_cast<uint32_t>(channel)));
  a.vpshufb(e.temp, pixels, a.constant_vector(pick));
  if (e.t.spec.residual_zero) a.vpsubd(e.temp, e.temp, e.constant(Name::residual_zero));
  a.vcvtdq2ps(e.temp, e.temp);
  a.vmulps(e.temp, e.temp, e.constant(Name::residual_mult));
  a.vaddps(v, v, e.temp);
}

void emit_padding(Epilogue& e, const Vec& v, int plane) {
  Assembler& a = e.a;
  if (e.avx512()) return a.vpblendmd(v | e.lanes.k(), v, a.ptr_b[e.pads + 4 * plane]);  // lanes: inverted, see below
  a.vpbroadcastd(e.temp, a.ptr[e.pads + 4 * plane]);
  a.blend(v, e.lanes, v, e.temp);
}

// v += shift[o]; the pointer borrows the plane address's register, which is not in use yet.
void emit_shift(Epilogue& e, const Vec& v, int o) {
  Assembler& a = e.a;
  a.load_arg(e.at, offsetof(ConvArgs, shift));
  if (e.avx512()) return a.vaddps(v, v, a.ptr_b[e.at + 4 * o]);
  a.vbroadcastss(e.temp, a.ptr[e.at + 4 * o]);
  a.vaddps(v, v, e.temp);
}

void emit_plane_address(Epilogue& e, const Gp& list, const Gp& base, int plane) {
  e.a.mov(e.at, e.a.ptr[list + 8 * plane]);
  e.a.add(e.at, base);
}

// Outputs 4q .. 4q+3 of pixel register v.
void emit_quad(Epilogue& e, int q, int v) {
  Assembler& a = e.a;
  const ConvSpec& s = e.t.spec;
  const int present = std::min(4, s.no - 4 * q), offset = v * a.vector_bytes();
  if (s.residual != ConvResidual::none) {
    emit_plane_address(e, e.residual_planes, e.t.residual, q);
    a.load(e.temp2, a.ptr[e.at + offset]);
  }
  for (int j = 0; j < present; ++j) {
    Vec& r = e.t.at(4 * q + j, v);
    emit_scale(e, r, 4 * q + j);
    if (s.residual == ConvResidual::u8) emit_residual_u8(e, r, j, e.temp2);
    emit_slope(e, r, 4 * q + j);
    if (!s.rounding.bounded) a.vminps(r, r, e.constant(Name::v_hi));
    a.vcvtps2dq(r, r);
  }
  // Missing outputs: anything now, zero below.
  auto r = [&](int j) -> Vec& { return e.t.at(4 * q + std::min(j, present - 1), v); };
  Vec& quad = r(0);
  if (present > 2) a.vpackssdw(e.temp, r(2), r(3));
  a.vpackssdw(quad, r(0), r(1));
  if (!s.rounding.no_zero) {
    a.vpaddsw(quad, quad, e.constant(Name::out_zero));
    if (present > 2) a.vpaddsw(e.temp, e.temp, e.constant(Name::out_zero));
  }
  a.vpackuswb(quad, quad, present > 2 ? static_cast<const Xbyak::Xmm&>(e.temp) : quad);
  a.vpshufb(quad, quad, a.constant_vector({0x0c080400, 0x0d090501, 0x0e0a0602, 0x0f0b0703}));
  if (!s.rounding.whole_range) {
    a.vpmaxub(quad, quad, e.constant(Name::out_lo));
    a.vpminub(quad, quad, e.constant(Name::out_hi));
  }
  if (e.table) e.table->apply(quad, e.temp, e.temp2);
  if (present < 4) a.bit_and(quad, quad, a.constant_lanes((1u << 8 * present) - 1));
  emit_padding(e, quad, q);
  emit_plane_address(e, e.planes, e.t.dst, q);
  a.store(a.ptr[e.at + offset], quad);
}

// Two temporaries are all there is: swish keeps its factor in memory.
void emit_function(Epilogue& e, const Vec& v) {
  Assembler& a = e.a;
  const Activation act = e.t.spec.act;
  const Address alpha = e.constant(act == Activation::clip ? Name::v_lo : Name::alpha),
                beta = e.constant(act == Activation::clip ? Name::v_hi : Name::beta);
  if (act != Activation::swish) return emit_activation(a, act, v, {&e.temp, &e.temp2}, &alpha, &beta);
  a.store(e.constant(Name::saved), v);
  a.vmulps(v, v, alpha);
  emit_activation(a, Activation::sigmoid, v, {&e.temp, &e.temp2}, nullptr, nullptr);
  a.vmulps(v, v, e.constant(Name::saved));
}

void emit_f32(Epilogue& e, int o, int v) {
  Assembler& a = e.a;
  const ConvSpec& s = e.t.spec;
  const int offset = v * a.vector_bytes();
  Vec& r = e.t.at(o, v);
  emit_scale(e, r, o);
  if (s.shift) emit_shift(e, r, o);
  if (s.residual != ConvResidual::none) {
    emit_plane_address(e, e.residual_planes, e.t.residual, o);
    a.vaddps(r, r, a.ptr[e.at + offset]);
  }
  emit_function(e, r);
  emit_slope(e, r, o);
  emit_padding(e, r, o);
  emit_plane_address(e, e.planes, e.t.dst, o);
  a.store(a.ptr[e.at + offset], r);
}

}  // namespace

bool conv_applies(Activation act) {
  switch (act) {
    case Activation::none:
    case Activation::clip:
    case Activation::leaky:
    case Activation::hard_sigmoid:
    case Activation::hard_swish:
    case Activation::sigmoid:
    case Activation::swish: return true;
    default: return false;
  }
}

void ConvConstants::emit(Assembler& a, DType dst, size_t field) {
  a.note("constants of the epilogue");
  Gp from = a.gp("epilogue");
  Vec v = a.vec("constant"), zero = a.vec("out_zero");
  a.load_arg(from, field);
  auto dword = [&](Name name, size_t scalar) {
    a.vpbroadcastd(v, a.ptr[from + scalar]);
    a.store(at(a, name), v);
  };
  dword(v_lo, offsetof(ConvEpilogue, v_lo));
  dword(v_hi, offsetof(ConvEpilogue, v_hi));
  dword(alpha, offsetof(ConvEpilogue, alpha));
  dword(beta, offsetof(ConvEpilogue, beta));
  if (dst != DType::u8) return;
  dword(residual_mult, offsetof(ConvEpilogue, residual_mult));
  dword(residual_zero, offsetof(ConvEpilogue, residual_zero));
  // The zero point in 16-bit lanes.
  a.vpbroadcastd(zero, a.ptr[from + offsetof(ConvEpilogue, out_zero)]);
  a.vpackssdw(v, zero, zero);
  a.store(at(a, out_zero), v);
  // Bounds as bytes: out_lo = v_lo + out_zero, an integer, in every byte.
  for (auto [name, scalar] :
       {std::pair{out_lo, offsetof(ConvEpilogue, v_lo)}, std::pair{out_hi, offsetof(ConvEpilogue, v_hi)}}) {
    a.vbroadcastss(v, a.ptr[from + scalar]);
    a.vcvtps2dq(v, v);
    a.vpaddd(v, v, zero);
    a.vpackssdw(v, v, v);
    a.vpackuswb(v, v, v);
    a.store(at(a, name), v);
  }
}

void emit_conv_epilogue(ConvTile& t) {
  Assembler& a = t.a;
  const ConvSpec& s = t.spec;
  a.note("epilogue");
  Epilogue e{t,
             a,
             a.gp("mult"),
             a.gp("dst_planes"),
             a.gp("dst_pad"),
             a.gp("residual_planes"),
             a.gp("plane"),
             a.vec("temp"),
             a.vec("temp2"),
             a.mask("lanes"),
             {}};
  if (s.src == DType::u8 || s.slope) a.load_arg(e.mult, offsetof(ConvArgs, mult));
  if (s.table) e.table.emplace(a, e.mult + static_cast<size_t>(table_offset(s.no, s.slope)));
  if (s.residual != ConvResidual::none) a.load_arg(e.residual_planes, offsetof(ConvArgs, residual_planes));
  a.load_arg(e.planes, offsetof(ConvArgs, dst_planes));
  a.load_arg(e.pads, offsetof(ConvArgs, dst_pad));
  for (int v = 0; v < t.regs; ++v) {
    a.load_lanes(e.lanes, a.ptr[t.lanes + v * a.lanes() / 8]);
    if (a.avx512()) a.knotw(e.lanes.k(), e.lanes.k());  // the padding is merged where there is no pixel
    if (s.dst == DType::u8)
      for (int q = 0; q < dst_plane_count(s); ++q) emit_quad(e, q, v);
    else
      for (int o = 0; o < s.no; ++o) emit_f32(e, o, v);
  }
}

}  // namespace quadlane
