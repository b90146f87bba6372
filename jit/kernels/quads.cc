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

FloatGroups::FloatGroups(Assembler& a) : a_(a) {
  if (!a.avx512()) return;
  upper_.push_back(a.vec("upper words of 2^23"));
  a.vpbroadcastd(upper_[0], a.constant_dword(0x4b004b00));
  none_.push_back(a.vec("no bytes"));
  a.zero(none_[0]);
}

void FloatGroups::expand(const std::vector<Vec>& to, const Vec& quads) const {
  a_.vpunpcklbw(to[1], quads, none_[0]);
  a_.vpunpckhbw(to[3], quads, none_[0]);
  for (size_t k : {0, 2}) {
    a_.vpunpcklwd(to[k], to[k + 1], upper_[0]);
    a_.vpunpckhwd(to[k + 1], to[k + 1], upper_[0]);
  }
}

void FloatGroups::expand(const Vec& to, const Vec& quads, int group) const {
  expand_quads(a_, to, quads, group);
  a_.vcvtdq2ps(to, to);
}

void FloatGroups::add_offset(const Vec& zero) const {
  if (a_.avx512()) a_.vaddps(zero, zero, a_.constant_lanes(0x4b000000));
}

AddByMultiplying::AddByMultiplying(Assembler& a) : a_(a) {
  if (!a.avx512()) return;
  one_.push_back(a.vec("1.0"));
  a.vbroadcastss(one_[0], a.constant_dword(0x3f800000));
}

QuadSum::QuadSum(Assembler& a) : a_(a), sum_(a.vec("sum")), one8_(a.vec("ones 8")), one16_(a.vec("ones 16")) {
  a.vpbroadcastd(one8_, a.constant_dword(0x01010101));
  a.vpbroadcastd(one16_, a.constant_dword(0x00010001));
}

void QuadSum::add(const Vec& quads) const {
  a_.vpshufb(quads, quads, a_.constant_vector({0x0c080400, 0x0d090501, 0x0e0a0602, 0x0f0b0703}));
  a_.vpmaddubsw(quads, quads, one8_);
  a_.vpmaddwd(quads, quads, one16_);
  a_.vpaddd(sum_, sum_, quads);
}

Xbyak::Xmm QuadSum::total(const Vec& temporary) const {
  if (a_.avx512()) {
    a_.vextracti64x4(temporary.ymm(), sum_.zmm(), 1);
    a_.vpaddd(sum_.ymm(), sum_.ymm(), temporary.ymm());
  }
  a_.vextracti128(temporary.xmm(), sum_.ymm(), 1);
  a_.vpaddd(sum_.xmm(), sum_.xmm(), temporary.xmm());
  return sum_.xmm();
}

std::string describe(const RoundingFacts& f) {
  return cat(f.bounded ? " bounded" : "", f.whole_range ? " bytes" : "", f.no_zero ? " zero0" : "");
}

RoundingFacts rounding_facts(double largest, float v_lo, float v_hi, int32_t zero) {
  const float z = static_cast<float>(zero);
  return {largest < 0x1p30, v_lo + z == 0 && v_hi + z == 255, zero == 0};
}

QuadRounding::QuadRounding(Assembler& a, const Xbyak::Address& v_lo, const Xbyak::Address& v_hi,
                           const Xbyak::Address& out_zero, RoundingFacts facts)
    : a_(a), facts_(facts) {
  if (!facts.whole_range) {
    Vec zero = a.vec("zero");
    a.vpbroadcastd(zero, out_zero);
    for (const Xbyak::Address& v : {v_lo, v_hi}) {
      bounds_.push_back(a.vec("bound"));
      a.vbroadcastss(bounds_.back(), v);
      a.vcvtps2dq(bounds_.back(), bounds_.back());
      a.vpaddd(bounds_.back(), bounds_.back(), zero);
      a.vpshufb(bounds_.back(), bounds_.back(), a.constant_lanes(0));
    }
  }
  if (!facts.no_zero) {
    zero_.push_back(a.vec("out_zero"));
    a.vpbroadcastd(zero_[0], out_zero);
    a.vpackssdw(zero_[0], zero_[0], zero_[0]);
  }
  if (!facts.bounded) {
    largest_.push_back(a.vec("largest"));
    a.vbroadcastss(largest_[0], a.constant_dword(0x47800000));  // 65536: above every bound
  }
}

void QuadRounding::finish(const std::vector<Vec>& groups) const {
  for (const Vec& v : groups) {
    if (!facts_.bounded) a_.vminps(v, largest_[0], v);
    a_.vcvtps2dq(v, v);  // half to even: the rounding mode a stream sets
  }
  a_.vpackssdw(groups[0], groups[0], groups[1]);
  a_.vpackssdw(groups[2], groups[2], groups[3]);
  if (!facts_.no_zero) {
    a_.vpaddsw(groups[0], groups[0], zero_[0]);
    a_.vpaddsw(groups[2], groups[2], zero_[0]);
  }
  a_.vpackuswb(groups[0], groups[0], groups[2]);
  if (facts_.whole_range) return;
  a_.vpmaxub(groups[0], groups[0], bounds_[0]);
  a_.vpminub(groups[0], groups[0], bounds_[1]);
}

ByteLookup::ByteLookup(Assembler& a, const Xbyak::RegExp& at, int keep_free) : a_(a) {
  for (size_t offset : {0, 128, 64, 192}) memory_.push_back(a.ptr[at + offset]);
  while (held_.size() < memory_.size() && a.free_vecs() > keep_free) {
    held_.push_back(a.vec("64 entries of the table"));
    a.load(held_.back(), memory_[held_.size() - 1]);
  }
}

void ByteLookup::look_up(size_t half, const Vec& to, const Vec& v) const {
  const Xbyak::Operand& second =
      half + 2 < held_.size() ? static_cast<const Xbyak::Operand&>(held_[half + 2]) : memory_[half + 2];
  if (half < held_.size()) {
    if (&to != &v) a_.copy(to, v);
    return a_.vpermi2b(to, held_[half], second);
  }
  a_.load(to, memory_[half]);
  a_.vpermt2b(to, v, second);
}

void ByteLookup::apply(const Vec& v, const Vec& temp, const Vec& temp2) const {
  Mask high = a_.mask("highest bits");
  const Vec& upper = held_.size() > 1 ? v : temp2;
  a_.vpmovb2m(high.k(), v);
  look_up(0, temp, v);
  look_up(1, upper, v);
  a_.vpblendmb(v | high.k(), temp, upper);
}

void pack_quads(Assembler& a, const std::vector<Vec>& groups) {
  a.vpackssdw(groups[0], groups[0], groups[1]);
  a.vpackssdw(groups[2], groups[2], groups[3]);
  a.vpackuswb(groups[0], groups[0], groups[2]);
}

}  // namespace quadlane
