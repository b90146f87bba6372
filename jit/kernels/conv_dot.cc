// What one tap of one plane does: a load of each pixel register, then one dot for each accumulator.
#include "jit/kernels/conv_reduction.h"

namespace quadlane {
namespace {

using Xbyak::Address;

constexpr uint32_t kEvenBytes = 0x00ff00ff, kOnes = 0x00010001;
uint32_t constant_of(ConvDot dot) { return dot == ConvDot::wide ? kEvenBytes : kOnes; }

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

// op(to, x, the constant), from its register or from memory.
template <class Op>
void with_constant(Reduction& r, const Op& op) {
  if (r.constant.empty())
    op(r.a.constant_lanes(constant_of(r.dot)));
  else
    op(r.constant.front());
}

void emit_widen(Reduction& r, size_t v) {
  with_constant(r, [&](const Xbyak::Operand& mask) { r.a.bit_and(r.pixels[v], r.odd[v], mask); });
  r.a.vpsrlw(r.odd[v], r.odd[v], 8);
}

Vec& next_weight(Reduction& r) { return r.weight[r.turn++ % r.weight.size()]; }
// The last product may overwrite the weight: one register less.
Vec& product(Reduction& r, Vec& weight, int v) {
  return v == r.t.regs - 1 || r.product.empty() ? weight : r.product[static_cast<size_t>(v) % r.product.size()];
}

// wide: acc[o][*] += products of one half (even or odd bytes) with the weight pair at `from`.
void emit_half_dots(Reduction& r, int o, const std::vector<Vec>& half, const Address& from) {
  Vec& w = next_weight(r);
  r.a.vpbroadcastd(w, from);
  for (int v = 0; v < r.t.regs; ++v) {
    Vec& p = product(r, w, v);
    r.a.vpmaddwd(p, w, half[static_cast<size_t>(v)]);
    r.a.vpaddd(r.t.at(o, v), r.t.at(o, v), p);
  }
}

void emit_narrow_dots(Reduction& r, int o, const Address& from) {
  Vec& w = next_weight(r);
  r.a.vpbroadcastd(w, from);
  for (int v = 0; v < r.t.regs; ++v) {
    Vec& p = product(r, w, v);
    r.a.vpmaddubsw(p, r.pixels[static_cast<size_t>(v)], w);
    with_constant(r, [&](const Xbyak::Operand& ones) { r.a.vpmaddwd(p, p, ones); });
    r.a.vpaddd(r.t.at(o, v), r.t.at(o, v), p);
  }
}

// vnni, fma: the weight is broadcast by every dot, or once to a register.
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
  Vec& w = next_weight(r);
  u8 ? a.vpbroadcastd(w, weight) : a.vbroadcastss(w, weight);
  for (int v = 0; v < r.t.regs; ++v) dot(r.t.at(o, v), r.pixels[static_cast<size_t>(v)], w);
}

// All pixel registers of a tap.
void emit_tap_pixels(Reduction& r, int64_t tap) {
  const bool wide = r.dot == ConvDot::wide;
  for (size_t v = 0; v < r.pixels.size(); ++v) {
    const int offset = static_cast<int>(tap + static_cast<int64_t>(v) * r.a.vector_bytes());
    emit_pixels(r, wide ? r.odd[v] : r.pixels[v], r.a.ptr[r.plane + offset]);
    if (wide) emit_widen(r, v);
  }
}

}  // namespace

void emit_clamp_limits(Reduction& r) {
  if (!r.low.empty()) r.a.load(r.low.front(), r.a.ptr[r.clamp_lo]);
  if (!r.high.empty()) r.a.load(r.high.front(), r.a.ptr[r.clamp_hi]);
}

void emit_dot_constant(Reduction& r) {
  if (!r.constant.empty()) r.a.load(r.constant.front(), r.a.constant_lanes(constant_of(r.dot)));
}

void emit_tap_of_output(Reduction& r, int o, int weight_offset) {
  emit_tap_pixels(r, 0);
  emit_narrow_dots(r, o, r.a.ptr[r.weights + weight_offset]);
}

void emit_tap(Reduction& r, int64_t tap, int weight_offset) {
  Assembler& a = r.a;
  const bool wide = r.dot == ConvDot::wide;
  emit_tap_pixels(r, tap);
  const auto weight_at = [&](int o, int byte) { return r.weights + (weight_offset + o * r.weight_bytes() + byte); };
  const int no = r.t.spec.no;
  if (wide) {
    // All even halves before the odd ones: an accumulator's two additions lie far apart (3 % on Zen 3).
    for (int o = 0; o < no; ++o) emit_half_dots(r, o, r.pixels, a.ptr[weight_at(o, 0)]);
    for (int o = 0; o < no; ++o) emit_half_dots(r, o, r.odd, a.ptr[weight_at(o, 4)]);
    return;
  }
  for (int o = 0; o < no; ++o) {
    if (r.dot == ConvDot::narrow)
      emit_narrow_dots(r, o, a.ptr[weight_at(o, 0)]);
    else
      emit_dots(r, o, r.weight.empty() ? a.ptr_b[weight_at(o, 0)] : a.ptr[weight_at(o, 0)]);
  }
}

}  // namespace quadlane
