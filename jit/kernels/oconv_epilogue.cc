// Accumulators with outputs in the lanes to stored pixels, four pixels of a row at a time. The rounding rule is that of
// conv_epilogue.cc, instruction by instruction.
//
// u8:  each pixel's s32 vector is scaled, the residual added, converted; then, in each 128-bit lane L,
//        vpackssdw x0, x1 | x2, x3, vpaddsw out_zero, vpackuswb     [p0 p1 p2 p3] of outputs 4L .. 4L + 3
//      which are 16 bytes of plane L.
// f32: 4 x 4 transposes inside the lanes: register j holds, in lane L, four pixels of output 4L + j.
//
// The last group of a row may have fewer pixels: its stores are masked.
#include <algorithm>
#include <cstddef>
#include <optional>

#include "jit/kernels/functions.h"
#include "jit/kernels/oconv_tile.h"
#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

using Xbyak::Address;
using Name = ConvConstants::Name;
constexpr int kGroup = 4;  // pixels
constexpr int kVectorBytes = 64;

// Registers that stand in for the pixels a transpose lacks: in the first group of a row nothing else is free.
int missing_pixels(const OconvSpec& s) { return s.dst == DType::f32 && s.columns < kGroup ? kGroup - s.columns : 0; }

struct Epilogue {
  OconvTile& t;
  Assembler& a;
  Gp mult, planes, residual_planes, at;
  Vec temp, temp2;
  std::vector<Vec> missing;
  Mask last;  // pixels of a row's last group
  std::optional<ByteLookup> table;

  Address constant(Name name) const { return ConvConstants::at(a, name); }
};

// A group: pixels row * columns + first + 0 .. count - 1, outputs of vector v.
struct Group {
  int row, first, count, v;
};

// The group's register for pixel j. Where there is no such pixel, one whose contents nobody needs any more: the same
// vector of the group before, or one set aside.
Vec& register_of(Epilogue& e, const Group& g, int j) {
  const int pixel = g.row * e.t.spec.columns + g.first + j;
  if (j < g.count) return e.t.at(pixel, g.v);
  return g.first > 0 ? e.t.at(pixel - kGroup, g.v) : e.missing[static_cast<size_t>(j - g.count)];
}

int dst_offset(const Epilogue& e, const Group& g) {
  return static_cast<int>(g.row * e.t.spec.dst_row) + g.first * kPixelBytes;
}

// v * mult for integer accumulators; fp32 ones are final.
void emit_scale(Epilogue& e, const Vec& x, int v) {
  if (e.t.spec.src != DType::u8) return;
  e.a.vcvtdq2ps(x, x);
  e.a.vmulps(x, x, e.a.ptr[e.mult + v * kVectorBytes]);
}

// x = x < 0 ? x * slope : x; by the sign, as -0 times a slope is a zero again.
void emit_slope(Epilogue& e, const Vec& x, const Address& slope) {
  Mask negative = e.a.mask("negative");
  e.a.vpmovd2m(negative.k(), x);
  e.a.vmulps(x | negative.k(), x, slope);
}

// 16 bytes of each of up to four planes, `stride` entries of `list` apart, in the lanes of `to`; missing planes are 0.
void emit_gather(Epilogue& e, const Vec& to, const Gp& list, const Gp& base, int first, int stride, int count,
                 int offset) {
  Assembler& a = e.a;
  for (int lane = 0; lane < count; ++lane) {
    a.mov(e.at, a.ptr[list + 8 * (first + lane * stride)]);
    const Address from = a.ptr[e.at + base + offset];
    lane == 0 ? a.vmovdqu32(to.xmm(), from) : a.vinserti32x4(to.zmm(), to.zmm(), from, static_cast<uint8_t>(lane));
  }
}

// The lanes of `from` to planes, like emit_gather; `spare` is lost where stores are masked.
void emit_scatter(Epilogue& e, const Vec& from, const Vec& spare, int first, int stride, int count, const Group& g) {
  Assembler& a = e.a;
  const bool masked = g.count < kGroup;
  for (int lane = 0; lane < count; ++lane) {
    a.mov(e.at, a.ptr[e.planes + 8 * (first + lane * stride)]);
    const Address to = a.ptr[e.at + e.t.dst + dst_offset(e, g)];
    const auto part = static_cast<uint8_t>(lane);
    if (masked) {
      if (lane > 0) a.vextracti32x4(spare.xmm(), from.zmm(), part);
      a.store_masked(to, e.last, (lane > 0 ? spare : from).xmm());
    } else {
      lane > 0 ? a.vextracti32x4(to, from.zmm(), part) : a.vmovdqu32(to, from.xmm());
    }
  }
}

// x += float(r - residual_zero) * residual_mult, r being byte 4 * pixel + channel of each lane of `quads`.
void emit_residual_u8(Epilogue& e, const Vec& x, const Vec& quads, const Vec& temp, int pixel) {
  Assembler& a = e.a;
  std::vector<uint32_t> pick;
  for (uint32_t channel = 0; channel < 4; ++channel)
    pick.push_back(0x80808000u | (4 * static_cast<uint32_t>(pixel) + channel));
  a.vpshufb(temp, quads, a.constant_vector(pick));
  if (e.t.spec.residual_zero) a.vpsubd(temp, temp, e.constant(Name::residual_zero));
  a.vcvtdq2ps(temp, temp);
  a.vmulps(temp, temp, e.constant(Name::residual_mult));
  a.vaddps(x, x, temp);
}

// Bytes of outputs behind the last are 0.
void emit_missing_outputs(Epilogue& e, const Vec& x, int v) {
  const int left = e.t.spec.outputs - v * kVectorPixels;
  if (left >= kVectorPixels || left % 4 == 0) return;
  std::vector<uint32_t> keep(16, 0xffffffffu);
  for (int i = 0; i < 4; ++i) keep[static_cast<size_t>(left / 4 * 4 + i)] = (1u << 8 * (left % 4)) - 1;
  e.a.bit_and(x, x, e.a.constant_vector(keep));
}

void emit_group_u8(Epilogue& e, const Group& g) {
  Assembler& a = e.a;
  const OconvSpec& s = e.t.spec;
  const int left = s.outputs - g.v * kVectorPixels, quads = std::min(4, (left + 3) / 4);
  if (s.residual == ConvResidual::u8)
    emit_gather(e, e.temp, e.residual_planes, e.t.residual, 4 * g.v, 1, quads, dst_offset(e, g));
  for (int j = 0; j < g.count; ++j) {
    const Vec& x = register_of(e, g, j);
    emit_scale(e, x, g.v);
    if (s.residual == ConvResidual::u8) emit_residual_u8(e, x, e.temp, e.temp2, j);
    if (s.slope) emit_slope(e, x, a.ptr[e.mult + (s.vectors() + g.v) * kVectorBytes]);
    if (!s.rounding.bounded) a.vminps(x, x, e.constant(Name::v_hi));
    a.vcvtps2dq(x, x);
  }
  auto x = [&](int j) -> const Vec& { return register_of(e, g, std::min(j, g.count - 1)); };
  const Vec& packed = x(0);
  if (g.count > 2) a.vpackssdw(e.temp, x(2), x(3));
  a.vpackssdw(packed, x(0), x(1));
  if (!s.rounding.no_zero) {
    a.vpaddsw(packed, packed, e.constant(Name::out_zero));
    if (g.count > 2) a.vpaddsw(e.temp, e.temp, e.constant(Name::out_zero));
  }
  a.vpackuswb(packed, packed, g.count > 2 ? static_cast<const Xbyak::Xmm&>(e.temp) : packed);
  if (!s.rounding.whole_range) {
    a.vpmaxub(packed, packed, e.constant(Name::out_lo));
    a.vpminub(packed, packed, e.constant(Name::out_hi));
  }
  if (e.table) e.table->apply(packed, e.temp, e.temp2);
  emit_missing_outputs(e, packed, g.v);
  emit_scatter(e, packed, e.temp2, 4 * g.v, 1, quads, g);
}

// Two temporaries are all there is: swish keeps its factor in memory.
void emit_function(Epilogue& e, const Vec& x, const Vec& temp, const Vec& temp2) {
  Assembler& a = e.a;
  const Activation act = e.t.spec.act;
  const Address alpha = e.constant(act == Activation::clip ? Name::v_lo : Name::alpha),
                beta = e.constant(act == Activation::clip ? Name::v_hi : Name::beta);
  if (act != Activation::swish) return emit_activation(a, act, x, {&temp, &temp2}, &alpha, &beta);
  a.store(e.constant(Name::saved), x);
  a.vmulps(x, x, alpha);
  emit_activation(a, Activation::sigmoid, x, {&temp, &temp2}, nullptr, nullptr);
  a.vmulps(x, x, e.constant(Name::saved));
}

void emit_group_f32(Epilogue& e, const Group& g) {
  Assembler& a = e.a;
  const OconvSpec& s = e.t.spec;
  const int left = s.outputs - g.v * kVectorPixels;
  for (int j = 0; j < g.count; ++j) {
    const Vec& x = register_of(e, g, j);
    emit_scale(e, x, g.v);
    if (s.shift) {
      a.load_arg(e.at, offsetof(OconvArgs, shift));
      a.vaddps(x, x, a.ptr[e.at + g.v * kVectorBytes]);
    }
    if (s.slope) emit_slope(e, x, a.ptr[e.mult + (s.vectors() + g.v) * kVectorBytes]);
  }
  const Vec &x0 = register_of(e, g, 0), &x1 = register_of(e, g, 1), &x2 = register_of(e, g, 2),
            &x3 = register_of(e, g, 3), &t0 = e.temp, &t1 = e.temp2;
  a.vpunpckldq(t0, x0, x1);
  a.vpunpckhdq(x0, x0, x1);
  a.vpunpckldq(t1, x2, x3);
  a.vpunpckhdq(x2, x2, x3);
  a.vpunpcklqdq(x1, t0, t1);
  a.vpunpckhqdq(x3, t0, t1);
  a.vpunpcklqdq(t0, x0, x2);
  a.vpunpckhqdq(t1, x0, x2);
  const Vec* of_output[] = {&x1, &x3, &t0, &t1};
  for (int j = 0; j < 4; ++j) {
    const int lanes = std::clamp((left - j + 3) / 4, 0, 4), first = g.v * kVectorPixels + j;
    if (lanes == 0) continue;
    const Vec& x = *of_output[j];
    if (s.residual != ConvResidual::none) {
      emit_gather(e, x0, e.residual_planes, e.t.residual, first, 4, lanes, dst_offset(e, g));
      a.vaddps(x, x, x0);
    }
    emit_function(e, x, x0, x2);
    emit_scatter(e, x, x0, first, 4, lanes, g);
  }
}

}  // namespace

int oconv_epilogue_registers(const OconvSpec& s) { return 2 + missing_pixels(s); }

void emit_oconv_epilogue(OconvTile& t) {
  Assembler& a = t.a;
  const OconvSpec& s = t.spec;
  a.note("epilogue");
  Epilogue e{t,
             a,
             a.gp("mult"),
             a.gp("dst_planes"),
             a.gp("residual_planes"),
             a.gp("plane"),
             a.vec("temp"),
             a.vec("temp2"),
             a.vecs("missing pixel", missing_pixels(s)),
             a.mask("last pixels"),
             {}};
  if (s.columns % kGroup != 0) {
    a.mov(e.at.cvt32(), (1 << s.columns % kGroup) - 1);
    a.kmovw(e.last.k(), e.at.cvt32());
  }
  if (s.src == DType::u8 || s.slope) a.load_arg(e.mult, offsetof(OconvArgs, mult));
  if (s.table) e.table.emplace(a, e.mult + static_cast<size_t>(table_offset(s.vectors() * kVectorPixels, s.slope)));
  if (s.residual != ConvResidual::none) a.load_arg(e.residual_planes, offsetof(OconvArgs, residual_planes));
  a.load_arg(e.planes, offsetof(OconvArgs, dst_planes));
  for (int row = 0; row < s.rows; ++row)
    for (int first = 0; first < s.columns; first += kGroup)
      for (int v = 0; v < s.vectors(); ++v) {
        const Group g{row, first, std::min(kGroup, s.columns - first), v};
        s.dst == DType::u8 ? emit_group_u8(e, g) : emit_group_f32(e, g);
      }
}

}  // namespace quadlane
