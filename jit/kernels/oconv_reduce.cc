// The reduction with outputs in the lanes: sections, planes, taps. A tap loads its vectors of weights once, then every
// pixel that reads it is broadcast and met by each vector. Weights are read strictly forwards by one pointer.
#include <algorithm>
#include <bit>
#include <cstddef>

#include "jit/kernels/oconv_tile.h"

namespace quadlane {
namespace {

// A plane's loop overhead counts when there is one tap: several planes at once.
constexpr int kUnrolledPlanes = 4;
constexpr int kVectorBytes = 64;

struct Reduction {
  OconvTile& t;
  Assembler& a;
  Gp planes, plane, weights, clamp_lo, clamp_hi;
  std::vector<Vec> weight, pixel;  // pixels are taken in turn
  std::vector<Vec> low, high;      // the plane's limits: 0 or 1 register each
  size_t turn = 0;

  bool is_u8() const { return t.spec.src == DType::u8; }
};

void emit_pixel(Reduction& r, const Vec& px, const Xbyak::Address& from) {
  Assembler& a = r.a;
  r.is_u8() ? a.vpbroadcastd(px, from) : a.vbroadcastss(px, from);
  if (!r.low.empty()) r.is_u8() ? a.vpmaxub(px, px, r.low.front()) : a.vmaxps(px, r.low.front(), px);
  if (!r.high.empty()) r.is_u8() ? a.vpminub(px, px, r.high.front()) : a.vminps(px, r.high.front(), px);
}

void emit_tap(Reduction& r, const OconvTap& tap, int weight_offset) {
  Assembler& a = r.a;
  const int vectors = r.t.spec.vectors();
  if (tap.pixels == 0) return;
  for (int v = 0; v < vectors; ++v)
    a.load(r.weight[static_cast<size_t>(v)], a.ptr[r.weights + (weight_offset + v * kVectorBytes)]);
  for (int v = 0; v < vectors && r.t.spec.prefetch > 0; ++v)
    a.prefetcht0(a.ptr[r.weights + (weight_offset + v * kVectorBytes + r.t.spec.prefetch)]);
  for (int p = 0; p < r.t.spec.pixels(); ++p) {
    if ((tap.pixels >> p & 1) == 0) continue;
    const Vec& px = r.pixel[r.turn++ % r.pixel.size()];
    emit_pixel(r, px, a.ptr[r.plane + static_cast<int>(tap.offset + r.t.src_offset(p))]);
    for (int v = 0; v < vectors; ++v) {
      const Vec &acc = r.t.at(p, v), &w = r.weight[static_cast<size_t>(v)];
      r.is_u8() ? a.vpdpbusd(acc, px, w) : a.vfmadd231ps(acc, px, w);
    }
  }
}

void emit_plane(Reduction& r, const std::vector<OconvTap>& taps, int index, int weight_offset) {
  Assembler& a = r.a;
  a.mov(r.plane, a.ptr[r.planes + 8 * index]);
  a.add(r.plane, r.t.src);
  auto limit = [&](std::vector<Vec>& reg, Gp& pointer) {
    if (reg.empty()) return;
    a.load(reg.front(), a.ptr[pointer]);
    a.add(pointer, kVectorBytes);
  };
  limit(r.low, r.clamp_lo);
  limit(r.high, r.clamp_hi);
  for (const OconvTap& tap : taps) {
    emit_tap(r, tap, weight_offset);
    weight_offset += r.t.spec.vectors() * kVectorBytes;
  }
}

void emit_section(Reduction& r, size_t section) {
  Assembler& a = r.a;
  const std::vector<OconvTap>& taps = r.t.spec.taps[section];
  const int plane_bytes = static_cast<int>(taps.size()) * r.t.spec.vectors() * kVectorBytes;
  a.note(cat("section ", section, ": ", taps.size(), " taps"));
  auto group = [&](int planes) {
    for (int i = 0; i < planes; ++i) emit_plane(r, taps, i, i * plane_bytes);
    a.add(r.planes, 8 * planes);
    a.add(r.weights, planes * plane_bytes);
  };
  Gp count = a.gp("planes left");
  a.load_arg(count, offsetof(OconvArgs, section_planes) + 8 * section);
  if (taps.size() == 1) {
    Xbyak::Label top, rest;
    a.L(top);
    a.sub(count, kUnrolledPlanes);
    a.jl(rest);
    group(kUnrolledPlanes);
    a.jmp(top);
    a.L(rest);
    a.add(count, kUnrolledPlanes);
  }
  a.loop(count, [&] { group(1); });
}

void emit_bias(Reduction& r) {
  Assembler& a = r.a;
  const OconvSpec& s = r.t.spec;
  a.note("bias");
  a.load_arg(r.plane, offsetof(OconvArgs, bias));
  for (int v = 0; v < s.vectors(); ++v) {
    std::vector<int> first(static_cast<size_t>(s.phases()), -1);  // pixel of each phase
    for (int p = 0; p < s.pixels(); ++p) {
      const int phase = s.phase(p / s.columns, p % s.columns);
      int& other = first[static_cast<size_t>(phase)];
      if (other >= 0) {
        a.copy(r.t.at(p, v), r.t.at(other, v));
      } else {
        a.load(r.t.at(p, v), a.ptr[r.plane + (phase * s.vectors() + v) * kVectorBytes]);
        other = p;
      }
    }
  }
}

}  // namespace

int oconv_reduction_registers(const OconvSpec& s) { return s.vectors() + 1 + s.clamp_lo + s.clamp_hi; }

void emit_oconv_reduction(OconvTile& t) {
  Assembler& a = t.a;
  const OconvSpec& s = t.spec;
  Reduction r{t, a, a.gp("planes"), a.gp("plane"), a.gp("weights"), a.gp("clamp_lo"), a.gp("clamp_hi")};
  r.weight = a.vecs("weight", s.vectors());
  if (s.clamp_lo) r.low = a.vecs("clamp_lo", 1);
  if (s.clamp_hi) r.high = a.vecs("clamp_hi", 1);
  r.pixel = a.vecs("pixel", std::min(2, a.free_vecs()));
  emit_bias(r);
  a.load_arg(r.weights, offsetof(OconvArgs, weights));
  a.load_arg(r.planes, offsetof(OconvArgs, src_planes));
  if (s.clamp_lo) a.load_arg(r.clamp_lo, offsetof(OconvArgs, clamp_lo));
  if (s.clamp_hi) a.load_arg(r.clamp_hi, offsetof(OconvArgs, clamp_hi));
  for (size_t section = 0; section < s.taps.size(); ++section) emit_section(r, section);
}

}  // namespace quadlane
