// The reduction: for each section, plane and tap one load of each pixel register and one dot for each accumulator.
//
// u8 on AVX-512:  vpdpbusd acc, pixels, dword weight{1to16}
// u8 on AVX2, exact (vpmaddubsw would saturate): a pixel dword [c3 c2 c1 c0] is widened to two vectors of 16-bit lanes
//     even = pixels & 0x00ff00ff = [c2 | c0]      odd = pixels >> 8 (16-bit lanes) = [c3 | c1]
//     acc += vpmaddwd(even, (w0, w2)) + vpmaddwd(odd, (w1, w3))
// f32:            vfmadd231ps acc, pixels, weight (broadcast)
//
// Weights are read strictly forwards, so one pointer walks through them.
#include <algorithm>
#include <cstddef>

#include "jit/kernels/conv_tile.h"

namespace quadlane {
namespace {

using Xbyak::Address;

// Taps up to this number are emitted one after the other; more of them loop over their rows.
constexpr size_t kMaxUnrolledTaps = 12;
// A plane's loop overhead counts when there is one tap: several planes at once.
constexpr int kUnrolledPlanes = 4;

// taps[r * length + j] = taps[j] + r * step: a kernel's rows. count 1 when the list has no such form.
struct TapRows {
  int count = 1, length = 0;
  int64_t step = 0;
};

TapRows find_rows(const std::vector<int64_t>& taps) {
  const size_t n = taps.size();
  if (n <= kMaxUnrolledTaps) return {1, static_cast<int>(n), 0};
  for (size_t length = kMaxUnrolledTaps; length >= 1; --length) {
    if (n % length != 0) continue;
    int64_t step = taps[length] - taps[0];
    bool regular = true;
    for (size_t i = length; i < n; ++i) regular &= taps[i] - taps[i - length] == step;
    if (regular) return {static_cast<int>(n / length), static_cast<int>(length), step};
  }
  return {1, static_cast<int>(n), 0};
}

struct Reduction {
  ConvTile& t;
  Assembler& a;
  Gp plane, planes, weights, clamp_lo, clamp_hi;
  std::vector<Vec> pixels;                // one for each pixel register; on AVX2 u8 the even bytes
  std::vector<Vec> odd;                   // AVX2 u8
  std::vector<Vec> weight, product;       // temporaries, taken in turn so that the scheduler sees independent chains
  std::vector<Vec> low, high, byte_mask;  // 0 or 1 register each
  size_t turn = 0;

  bool is_u8() const { return t.spec.src == DType::u8; }
  int weight_bytes() const { return is_u8() && !a.avx512() ? 8 : 4; }
};

bool widens(const ConvSpec& s) { return s.src == DType::u8 && s.isa == Isa::avx2; }

void emit_prefetch(Reduction& r, const std::vector<int64_t>& taps) {
  if (r.t.spec.prefetch == 0) return;
  int64_t last = *std::max_element(taps.begin(), taps.end());
  int bytes = r.t.regs * r.a.vector_bytes();
  for (int line = 0; line < bytes; line += 64)
    r.a.prefetcht0(r.a.ptr[r.plane + static_cast<int>(last + line + r.t.spec.prefetch)]);
}

// One pixel register, clamped: [lo, hi] fuses a batch norm and ReLU before the convolution. A limit in a register takes
// the load as its operand.
void emit_pixels(Reduction& r, const Vec& to, const Address& from) {
  Assembler& a = r.a;
  bool loaded = false;
  auto limit = [&](bool low, const std::vector<Vec>& reg, const Gp& pointer) {
    auto op = [&](const Xbyak::Xmm& x, const Xbyak::Operand& y) {
      if (r.is_u8())
        low ? a.vpmaxub(to, x, y) : a.vpminub(to, x, y);
      else
        low ? a.vmaxps(to, x, y) : a.vminps(to, x, y);
    };
    if (reg.empty() && !loaded) a.load(to, from);
    if (reg.empty())
      op(to, a.ptr[pointer]);
    else if (loaded)
      op(reg.front(), to);
    else
      op(reg.front(), from);
    loaded = true;
  };
  if (r.t.spec.clamp_lo) limit(true, r.low, r.clamp_lo);
  if (r.t.spec.clamp_hi) limit(false, r.high, r.clamp_hi);
  if (!loaded) a.load(to, from);
}

void emit_widen(Reduction& r, int v) {
  Assembler& a = r.a;
  Vec& even = r.pixels[static_cast<size_t>(v)];
  Vec& odd = r.odd[static_cast<size_t>(v)];
  if (r.byte_mask.empty())
    a.vpand(even, odd, a.constant_lanes(0x00ff00ff));
  else
    a.vpand(even, odd, r.byte_mask.front());
  a.vpsrlw(odd, odd, 8);
}

// acc[o][*] += products of one half (even or odd bytes) with the weight pair at `weight`.
void emit_half_dots(Reduction& r, int o, const std::vector<Vec>& half, const Address& weight) {
  Assembler& a = r.a;
  Vec& w = r.weight[r.turn++ % r.weight.size()];
  a.vpbroadcastd(w, weight);
  for (int v = 0; v < r.t.regs; ++v) {
    // The last product may overwrite the weight: one register less.
    const bool last = v == r.t.regs - 1;
    Vec& p = last || r.product.empty() ? w : r.product[static_cast<size_t>(v) % r.product.size()];
    a.vpmaddwd(p, w, half[static_cast<size_t>(v)]);
    a.vpaddd(r.t.at(o, v), r.t.at(o, v), p);
  }
}

void emit_dots(Reduction& r, int o, const Address& weight) {
  Assembler& a = r.a;
  const bool u8 = r.is_u8();
  auto dot = [&](const Vec& acc, const Vec& px, const Xbyak::Operand& w) {
    u8 ? a.vpdpbusd(acc, px, w) : a.vfmadd231ps(acc, px, w);
  };
  if (r.weight.empty()) {
    for (int v = 0; v < r.t.regs; ++v) dot(r.t.at(o, v), r.pixels[static_cast<size_t>(v)], weight);
    return;
  }
  Vec& w = r.weight[r.turn++ % r.weight.size()];
  u8 ? a.vpbroadcastd(w, weight) : a.vbroadcastss(w, weight);
  for (int v = 0; v < r.t.regs; ++v) dot(r.t.at(o, v), r.pixels[static_cast<size_t>(v)], w);
}

void emit_tap(Reduction& r, int64_t tap, int weight_offset) {
  Assembler& a = r.a;
  for (int v = 0; v < r.t.regs; ++v) {
    auto index = static_cast<size_t>(v);
    Address from = a.ptr[r.plane + static_cast<int>(tap + v * a.vector_bytes())];
    emit_pixels(r, widens(r.t.spec) ? r.odd[index] : r.pixels[index], from);
    if (widens(r.t.spec)) emit_widen(r, v);
  }
  const auto weight_at = [&](int o, int byte) { return r.weights + (weight_offset + o * r.weight_bytes() + byte); };
  if (!widens(r.t.spec)) {
    for (int o = 0; o < r.t.spec.no; ++o)
      emit_dots(r, o, r.weight.empty() ? a.ptr_b[weight_at(o, 0)] : a.ptr[weight_at(o, 0)]);
    return;
  }
  // All even halves before the odd ones: an accumulator's two additions lie far apart (3 % on Zen 3).
  for (int o = 0; o < r.t.spec.no; ++o) emit_half_dots(r, o, r.pixels, a.ptr[weight_at(o, 0)]);
  for (int o = 0; o < r.t.spec.no; ++o) emit_half_dots(r, o, r.odd, a.ptr[weight_at(o, 4)]);
}

// One plane: pointers are advanced by the caller as far as `planes`, `weights` and the clamps go.
void emit_plane(Reduction& r, const std::vector<int64_t>& taps, int index, int weight_offset) {
  Assembler& a = r.a;
  const ConvSpec& s = r.t.spec;
  a.mov(r.plane, a.ptr[r.planes + 8 * index]);
  a.add(r.plane, r.t.src);
  if (!r.low.empty()) a.load(r.low.front(), a.ptr[r.clamp_lo]);
  if (!r.high.empty()) a.load(r.high.front(), a.ptr[r.clamp_hi]);
  emit_prefetch(r, taps);
  TapRows rows = find_rows(taps);
  const int row_bytes = rows.length * s.no * r.weight_bytes();
  auto row = [&] {
    for (int j = 0; j < rows.length; ++j)
      emit_tap(r, taps[static_cast<size_t>(j)], weight_offset + j * s.no * r.weight_bytes());
  };
  if (rows.count == 1) {
    row();
  } else {
    a.loop(rows.count, [&] {
      row();
      a.add(r.plane, static_cast<int>(rows.step));
      a.add(r.weights, row_bytes);
    });
  }
  if (s.clamp_lo) a.add(r.clamp_lo, 64);
  if (s.clamp_hi) a.add(r.clamp_hi, 64);
}

void emit_section(Reduction& r, size_t section) {
  Assembler& a = r.a;
  const std::vector<int64_t>& taps = r.t.spec.taps[section];
  const int tap_count = static_cast<int>(taps.size()), plane_bytes = tap_count * r.t.spec.no * r.weight_bytes();
  a.note(cat("section ", section, ": ", tap_count, " taps"));
  // A loop over rows moves the weights itself.
  const bool moves_weights = find_rows(taps).count == 1;
  auto group = [&](int planes) {
    for (int i = 0; i < planes; ++i) emit_plane(r, taps, i, i * plane_bytes);
    a.add(r.planes, 8 * planes);
    if (moves_weights) a.add(r.weights, planes * plane_bytes);
  };
  Gp count = a.gp("planes left");
  a.load_arg(count, offsetof(ConvArgs, section_planes) + 8 * section);
  if (tap_count == 1) {
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
  a.load_arg(r.plane, offsetof(ConvArgs, bias));
  for (int o = 0; o < r.t.spec.no; ++o)
    for (int v = 0; v < r.t.regs; ++v) a.vpbroadcastd(r.t.at(o, v), a.ptr[r.plane + 4 * o]);
}

}  // namespace

int reduction_registers(const ConvSpec& s, int regs) {
  if (widens(s)) return 2 * regs + (regs > 1 ? 2 : 1);
  int weights = s.isa == Isa::avx2 || s.weight_registers ? 1 : 0;
  return regs + weights;
}

void emit_conv_reduction(ConvTile& t) {
  Assembler& a = t.a;
  const ConvSpec& s = t.spec;
  Reduction r{
      t,  a, a.gp("plane"), a.gp("planes"), a.gp("weights"), a.gp("clamp_lo"), a.gp("clamp_hi"), {}, {}, {}, {}, {},
      {}, {}};
  r.pixels = a.vecs("pixels", t.regs);
  if (widens(s)) {
    r.odd = a.vecs("odd pixels", t.regs);
    r.weight = a.vecs("weight", 1);
    if (t.regs > 1) r.product = a.vecs("product", 1);
  } else if (!a.avx512() || s.weight_registers) {
    r.weight = a.vecs("weight", 1);
  }
  // What is left over: limits of the clamp, then the byte mask, then more temporaries.
  if (s.clamp_lo && a.free_vecs() > 0) r.low = a.vecs("clamp_lo", 1);
  if (s.clamp_hi && a.free_vecs() > 0) r.high = a.vecs("clamp_hi", 1);
  if (widens(s) && a.free_vecs() > 0) {
    r.byte_mask = a.vecs("byte mask", 1);
    a.load(r.byte_mask.front(), a.constant_lanes(0x00ff00ff));
  }
  while (!r.weight.empty() && r.weight.size() < 4 && a.free_vecs() > 0) r.weight.push_back(a.vec("more weights"));

  a.note("bias");
  emit_bias(r);
  a.load_arg(r.planes, offsetof(ConvArgs, src_planes));
  a.load_arg(r.weights, offsetof(ConvArgs, weights));
  if (s.clamp_lo) a.load_arg(r.clamp_lo, offsetof(ConvArgs, clamp_lo));
  if (s.clamp_hi) a.load_arg(r.clamp_hi, offsetof(ConvArgs, clamp_hi));
  for (size_t section = 0; section < s.taps.size(); ++section) emit_section(r, section);
}

}  // namespace quadlane
