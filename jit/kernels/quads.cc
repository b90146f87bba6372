#include "jit/kernels/quads.h"

namespace quadlane {

void expand_quads(Assembler& a, const Vec& to, const Vec& from, int group) {
  std::vector<uint32_t> bytes;  // index 0x80 makes a zero byte
  for (uint32_t c = 0; c < 4; ++c) bytes.push_back(0x80808000u | (static_cast<uint32_t>(group) * 4 + c));
  a.vpshufb(to, from, a.constant_vector(bytes));
}

void spread_pixel_value(Assembler& a, const Vec& to, const Vec& from, int group) {
  a.vpshufd(to, from, static_cast<uint8_t>(group * 0x55));
}

void broadcast_channels(Assembler& a, const Vec& to, const Xbyak::Address& four_dwords) {
  a.avx512() ? a.vbroadcasti32x4(to.zmm(), four_dwords) : a.vbroadcasti128(to.ymm(), four_dwords);
}

QuadRounding::QuadRounding(Assembler& a, const Xbyak::Address& v_lo, const Xbyak::Address& v_hi,
                           const Xbyak::Address& out_zero)
    : a_(a), lo_(a.vec("v_lo")), hi_(a.vec("v_hi")), zero_(a.vec("out_zero")) {
  a.vbroadcastss(lo_, v_lo);
  a.vbroadcastss(hi_, v_hi);
  a.vpbroadcastd(zero_, out_zero);
  a.vpackssdw(zero_, zero_, zero_);
}

void QuadRounding::finish(const std::vector<Vec>& groups) const {
  for (const Vec& v : groups) {
    a_.vmaxps(v, v, lo_);
    a_.vminps(v, v, hi_);
    a_.vcvtps2dq(v, v);  // half to even: the rounding mode a stream sets
  }
  a_.vpackssdw(groups[0], groups[0], groups[1]);
  a_.vpackssdw(groups[2], groups[2], groups[3]);
  a_.vpaddw(groups[0], groups[0], zero_);
  a_.vpaddw(groups[2], groups[2], zero_);
  a_.vpackuswb(groups[0], groups[0], groups[2]);
}

void pack_quads(Assembler& a, const std::vector<Vec>& groups) {
  a.vpackssdw(groups[0], groups[0], groups[1]);
  a.vpackssdw(groups[2], groups[2], groups[3]);
  a.vpackuswb(groups[0], groups[0], groups[2]);
}

}  // namespace quadlane
