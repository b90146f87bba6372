// The walk of the reduction: sections, planes, taps (conv_dot.cc says what a tap does). Weights are read strictly
// forwards, so one pointer walks through them.
//
// Without VNNI a block of weights begins with a ConvBlockHeader: `wide`, or `narrow`, whose dot is a quarter cheaper
// but exact only for pairs of weights that vpmaddubsw cannot saturate. There the few pairs that do not fit are split:
// half in their place, the rest in a list of extra taps behind all others.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "jit/kernels/conv_pack.h"
#include "jit/kernels/conv_reduction.h"

namespace quadlane {
namespace {

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

bool without_vnni(const ConvSpec& s) { return s.src == DType::u8 && !has_vnni(s.isa); }

void emit_prefetch(Reduction& r, const std::vector<int64_t>& taps) {
  if (r.t.spec.prefetch == 0) return;
  int64_t last = *std::max_element(taps.begin(), taps.end());
  int bytes = r.t.regs * r.a.vector_bytes();
  for (int line = 0; line < bytes; line += 64)
    r.a.prefetcht0(r.a.ptr[r.plane + static_cast<int>(last + line + r.t.spec.prefetch)]);
}

// One plane: pointers are advanced by the caller as far as `planes`, `weights` and the clamps go.
void emit_plane(Reduction& r, const std::vector<int64_t>& taps, int index, int weight_offset) {
  Assembler& a = r.a;
  const ConvSpec& s = r.t.spec;
  a.mov(r.plane, a.ptr[r.planes + 8 * index]);
  a.add(r.plane, r.t.src);
  emit_clamp_limits(r);
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

// For each output the dots that only it needs.
void emit_extra_dots(Reduction& r) {
  Assembler& a = r.a;
  const ConvSpec& s = r.t.spec;
  a.note("extra dots");
  Gp count = a.gp("extra dots left"), index = a.gp("plane index");
  a.load_arg(r.planes, offsetof(ConvArgs, src_planes));
  for (int o = 0; o < s.no; ++o) {
    a.mov(count.cvt32(), a.ptr[r.weights]);
    a.add(r.weights, static_cast<int>(sizeof(uint32_t)));
    a.loop(count, [&] {
      a.movsxd(index, a.dword[r.weights + offsetof(ConvExtraDot, plane)]);
      a.movsxd(r.plane, a.dword[r.weights + offsetof(ConvExtraDot, offset)]);
      a.add(r.plane, a.ptr[r.planes + index * 8]);
      a.add(r.plane, r.t.src);
      if (s.clamp_lo || s.clamp_hi) a.shl(index, 6);  // bytes of limits
      if (s.clamp_lo) a.load_arg(r.clamp_lo, offsetof(ConvArgs, clamp_lo)), a.add(r.clamp_lo, index);
      if (s.clamp_hi) a.load_arg(r.clamp_hi, offsetof(ConvArgs, clamp_hi)), a.add(r.clamp_hi, index);
      emit_clamp_limits(r);
      emit_tap_of_output(r, o, offsetof(ConvExtraDot, weights));
      a.add(r.weights, static_cast<int>(sizeof(ConvExtraDot)));
    });
  }
}

// All sections with one kind of dot; `weights` points to the first weight.
void emit_sections(Reduction& r, ConvDot dot) {
  Assembler& a = r.a;
  const ConvSpec& s = r.t.spec;
  r.dot = dot;
  emit_dot_constant(r);
  a.load_arg(r.planes, offsetof(ConvArgs, src_planes));
  if (s.clamp_lo) a.load_arg(r.clamp_lo, offsetof(ConvArgs, clamp_lo));
  if (s.clamp_hi) a.load_arg(r.clamp_hi, offsetof(ConvArgs, clamp_hi));
  for (size_t section = 0; section < s.taps.size(); ++section) emit_section(r, section);
}

}  // namespace

int reduction_registers(const ConvSpec& s, int regs) {
  if (without_vnni(s)) return 2 * regs + (regs > 1 ? 2 : 1);
  int weights = s.isa == Isa::avx2 || s.weight_registers ? 1 : 0;
  return regs + weights;
}

void emit_conv_reduction(ConvTile& t) {
  Assembler& a = t.a;
  const ConvSpec& s = t.spec;
  const ConvDot dot = s.src == DType::f32 ? ConvDot::fma : without_vnni(s) ? ConvDot::wide : ConvDot::vnni;
  Reduction r{
      t,  a,  dot, a.gp("plane"), a.gp("planes"), a.gp("weights"), a.gp("clamp_lo"), a.gp("clamp_hi"), {}, {}, {}, {},
      {}, {}, {}};
  r.pixels = a.vecs("pixels", t.regs);
  if (dot == ConvDot::wide) {
    r.odd = a.vecs("odd pixels", t.regs);
    r.weight = a.vecs("weight", 1);
    if (t.regs > 1) r.product = a.vecs("product", 1);
  } else if (!a.avx512() || s.weight_registers) {
    r.weight = a.vecs("weight", 1);
  }
  // What is left over: limits of the clamp, then the constant, then more temporaries.
  if (s.clamp_lo && a.free_vecs() > 0) r.low = a.vecs("clamp_lo", 1);
  if (s.clamp_hi && a.free_vecs() > 0) r.high = a.vecs("clamp_hi", 1);
  if (dot == ConvDot::wide && a.free_vecs() > 0) r.constant = a.vecs("constant", 1);
  while (!r.weight.empty() && r.weight.size() < 4 && a.free_vecs() > 0) r.weight.push_back(a.vec("more weights"));

  a.note("bias");
  emit_bias(r);
  a.load_arg(r.weights, offsetof(ConvArgs, weights));
  if (dot != ConvDot::wide) return emit_sections(r, dot);
  Xbyak::Label narrow, done;
  a.cmp(a.dword[r.weights + offsetof(ConvBlockHeader, wide)], 0);
  a.lea(r.weights, a.ptr[r.weights + sizeof(ConvBlockHeader)]);  // leaves the flags
  a.je(narrow);
  a.note("wide");
  emit_sections(r, ConvDot::wide);
  a.jmp(done);
  a.L(narrow);
  a.note("narrow");
  // It needs no odd pixels: one for the constant, which each dot reads, the others for weights.
  if (r.constant.empty()) {
    r.constant.push_back(std::move(r.odd.back()));
    r.odd.pop_back();
  }
  for (Vec& v : r.odd) r.weight.push_back(std::move(v));
  r.odd.clear();
  emit_sections(r, ConvDot::narrow);
  emit_extra_dots(r);
  a.L(done);
}

}  // namespace quadlane
