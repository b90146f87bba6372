#include "jit/kernels/pixel_rows.h"

#include <algorithm>

namespace quadlane {
namespace {

// Without masked stores, which are microcode on several processors and dear on others: 8, 4, 2 and 1 pixels.
void store_first_pixels(Assembler& a, Xbyak::RegExp to, const Vec& v, int count) {
  if (count & 8) {
    a.store(a.ptr[to], v.ymm());
    a.vextracti64x4(v.ymm(), v.zmm(), 1);
    to = to + 32;
  }
  if (count & 4) {
    a.vmovdqu(a.ptr[to], v.xmm());
    a.vextracti128(v.xmm(), v.ymm(), 1);
    to = to + 16;
  }
  if (count & 2) {
    a.vmovq(a.ptr[to], v.xmm());
    a.vpshufd(v.xmm(), v.xmm(), 0x0e);
    to = to + 8;
  }
  if (count & 1) a.vmovd(a.ptr[to], v.xmm());
}

void store_whole(Assembler& a, const Xbyak::Address& to, const Vec& v, RowStore how) {
  if (!a.avx512() || how == RowStore::whole) return a.store(to, v);
  a.store(to, v.ymm());
  a.vextracti64x4(a.ptr[to.getRegExp() + 32], v.zmm(), 1);
}

}  // namespace

std::string describe(const RowShape& row) { return cat("w", row.w, " gap", row.gap); }

void walk_row(Assembler& a, const RowShape& row, int step, int loop_begin, int loop_end,
              const std::vector<Advance>& registers, const std::function<void(int at)>& body) {
  auto advance = [&] {
    for (const Advance& r : registers) a.add(r.reg, r.bytes);
  };
  int steps = (row.pitch() + step - 1) / step;
  int first = std::min(steps, (std::max(loop_begin, 0) + step - 1) / step);
  int end = std::max(first, std::min({loop_end, row.w, steps * step}) / step);
  for (int s = 0; s < first; ++s) {
    body(s * step);
    advance();
  }
  a.loop(int64_t{end} - first, [&] {
    body(kAnywhere);
    advance();
  });
  for (int s = end; s < steps; ++s) {
    body(s * step);
    if (s + 1 < steps) advance();
  }
}

void walk_row(Assembler& a, const RowShape& row, int step, const std::vector<Advance>& registers,
              const std::function<void(int at)>& body) {
  walk_row(a, row, step, 0, row.w, registers, body);
}

uint32_t lane_bits(const Assembler& a, int first, int end) {
  first = std::clamp(first, 0, a.lanes());
  end = std::clamp(end, first, a.lanes());
  return static_cast<uint32_t>((uint64_t{1} << end) - (uint64_t{1} << first));
}

std::vector<uint32_t> lane_dwords(const Assembler& a, uint32_t bits) {
  std::vector<uint32_t> dwords;
  for (int i = 0; i < a.lanes(); ++i) dwords.push_back(bits >> i & 1 ? ~0u : 0u);
  return dwords;
}

Mask static_mask(Assembler& a, uint32_t bits) {
  Mask mask = a.mask("static lanes");
  if (a.avx512()) {
    Gp value = a.gp("mask bits");
    a.mov(value.cvt32(), bits);
    a.kmovw(mask.k(), value.cvt32());
  } else {
    a.load(mask.vec(), a.constant_vector(lane_dwords(a, bits)));
  }
  return mask;
}

void keep_lanes(Assembler& a, const Vec& v, const Vec& other, uint32_t bits) {
  if (bits == lane_bits(a, 0, a.lanes())) return;
  if (!a.avx512()) return a.vpblendd(v, other, v, static_cast<uint8_t>(bits));
  a.blend(v, static_mask(a, bits), v, other);
}

void store_row(Assembler& a, const Xbyak::Address& to, const Vec& v, const Vec& pad, int at, const RowShape& row,
               RowStore how) {
  if (at == kAnywhere || at + a.lanes() <= row.w) return store_whole(a, to, v, how);
  if (&v != &pad) keep_lanes(a, v, pad, lane_bits(a, 0, row.w - at));
  int stored = std::min(row.pitch() - at, a.lanes());
  if (stored <= 0) return;
  if (stored == a.lanes()) return store_whole(a, to, v, how);
  store_first_pixels(a, to.getRegExp(), v, stored);
}

void load_row_exact(Assembler& a, const Vec& to, const Xbyak::Address& from, int at, int w) {
  if (at == kAnywhere || at + a.lanes() <= w) return a.load(to, from);
  if (at >= w) return a.zero(to);
  a.load_masked(to, static_mask(a, lane_bits(a, 0, w - at)), from);
}

void gather(Assembler& a, const Vec& to, const Xbyak::Reg64& base, int displacement, const Vec& index, uint32_t bits,
            const Vec* other) {
  bool all = bits == lane_bits(a, 0, a.lanes());
  if (other && !all)
    a.copy(to, *other);
  else
    a.zero(to);  // also where every lane is written: the gather would wait for the register's last writer
  if (bits == 0) return;
  Mask mask = all ? a.mask("all lanes") : static_mask(a, bits);  // a gather uses its mask up
  if (a.avx512()) {
    if (all) a.kxnorw(mask.k(), mask.k(), mask.k());
    a.vpgatherdd(to | mask.k(), a.ptr[base + index.zmm() + displacement]);
  } else {
    if (all) a.vpcmpeqd(mask.vec(), mask.vec(), mask.vec());
    a.vpgatherdd(to, a.ptr[base + index.ymm() + displacement], mask.vec());
  }
}

PixelPairs::PixelPairs(Assembler& a) : a_(a) {
  if (!a.avx512()) return;
  for (uint32_t phase = 0; phase < 2; ++phase) {
    std::vector<uint32_t> lanes;
    for (uint32_t i = 0; i < kVectorPixels; ++i) lanes.push_back(2 * i + phase);
    order_.push_back(a.vec("pair order"));
    a.load(order_[phase], a.constant_vector(lanes));
  }
}
void PixelPairs::pick(const Vec& to, const Vec& low, const Vec& high, int phase) {
  if (!a_.avx512()) return a_.vshufps(to, low, high, phase == 0 ? 0x88 : 0xdd);
  a_.copy(to, low);
  a_.vpermt2d(to, order_[static_cast<size_t>(phase)], high);
}
void PixelPairs::even(const Vec& to, const Vec& low, const Vec& high) { pick(to, low, high, 0); }
void PixelPairs::odd(const Vec& to, const Vec& low, const Vec& high) { pick(to, low, high, 1); }
// AVX2: pairs of pixels stand low, high, low, high: the low ones first.
void PixelPairs::in_order(const Vec& v) {
  if (!a_.avx512()) a_.vpermq(v.ymm(), v.ymm(), 0xd8);
}

void interleave_pixels(Assembler& a, const Vec& low, const Vec& high, const Vec& even, const Vec& odd) {
  if (a.avx512()) {
    std::vector<uint32_t> first, second;  // bit 4 selects the second source
    for (uint32_t i = 0; i < 16; ++i) {
      first.push_back(i / 2 + (i % 2) * 16);
      second.push_back(8 + i / 2 + (i % 2) * 16);
    }
    a.load(low, a.constant_vector(first));
    a.load(high, a.constant_vector(second));
    a.vpermi2d(low, even, odd);
    a.vpermi2d(high, even, odd);
    return;
  }
  Vec upper = a.vec("upper halves");
  a.vpunpckldq(high, even, odd);   // pixels 0 1 | 4 5 of both
  a.vpunpckhdq(upper, even, odd);  // pixels 2 3 | 6 7
  a.vperm2i128(low.ymm(), high.ymm(), upper.ymm(), 0x20);
  a.vperm2i128(high.ymm(), high.ymm(), upper.ymm(), 0x31);
}

void for_planes(Assembler& a, size_t planes_arg_offset, const std::function<void()>& body) {
  Gp planes = a.gp("planes");
  a.load_arg(planes, planes_arg_offset);
  a.note("for each plane");
  a.loop(planes, body);
}

}  // namespace quadlane
