#include "jit/kernels/elementwise_bodies.h"

#include <algorithm>
#include <cmath>

#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

QuadRounding make_rounding(Assembler& a, const RoundingFacts& facts) {
  Scalars s(a);
  return QuadRounding(a, s.at(offsetof(ElementwiseScalars, v_lo)), s.at(offsetof(ElementwiseScalars, v_hi)),
                      s.at(offsetof(ElementwiseScalars, out_zero)), facts);
}

class Copy final : public ElementwiseBody {
 public:
  void compute(const Vec&, const Vec&) override {}
};

// Base of the bodies that compute on four groups of floats and round them to u8.
class QuadBody : public ElementwiseBody {
 public:
  QuadBody(Assembler& a, const ScalarFacts& facts, bool two)
      : a_(a), facts_(facts), floats_(a), sum_(a), two_(two), rounding_(make_rounding(a, facts.rounding)) {}
  void compute(const Vec& value, const Vec& other) override {
    std::vector<Vec> groups = a_.vecs("group", kGroups);
    if (floats_.all_at_once()) {
      std::vector<Vec> second = a_.vecs("second", two_ ? kGroups : 0);
      floats_.expand(groups, value);
      if (two_) floats_.expand(second, other);
      for (size_t k = 0; k < kGroups; ++k) compute_group(groups[k], two_ ? &second[k] : nullptr);
    } else {
      for (int k = 0; k < kGroups; ++k) {
        const Vec& group = groups[static_cast<size_t>(k)];
        floats_.expand(group, value, k);
        if (!two_) {
          compute_group(group, nullptr);
          continue;
        }
        Vec second = a_.vec("second");
        floats_.expand(second, other, k);
        compute_group(group, &second);
      }
    }
    rounding_.finish(groups);
    a_.copy(value, groups[0]);
  }

 protected:
  // Floats, with the offset of FloatGroups; the second operand's where it has pixels of its own.
  virtual void compute_group(const Vec& value, const Vec* second) = 0;
  // A zero point's register becomes what scale() wants: with the offset added, or, where it is 0, -2^23 * mult, which a
  // fused multiplication takes off exactly.
  void prepare(const Vec& zero, const Vec& mult, bool is_0) {
    if (!is_0) return floats_.add_offset(zero);
    a_.vbroadcastss(zero, a_.constant_dword(0xcb000000));  // -2^23
    a_.vmulps(zero, zero, mult);
  }
  // v = (v - offset - zero) * mult, rounded once.
  void scale(const Vec& v, const Vec& zero, const Vec& mult, bool is_0) {
    if (is_0 && a_.avx512()) return a_.vfmadd213ps(v, mult, zero);
    if (!is_0) a_.vsubps(v, v, zero);
    a_.vmulps(v, v, mult);
  }
  Assembler& a_;
  ScalarFacts facts_;
  FloatGroups floats_;
  AddByMultiplying sum_;

 private:
  bool two_;
  QuadRounding rounding_;
};

class Requantize final : public QuadBody {
 public:
  Requantize(Assembler& a, const ScalarFacts& facts)
      : QuadBody(a, facts, false), mult_(a.vec("mult")), bias_(a.vec("bias")), zero_(a.vec("in_zero")) {}
  void load_plane(const Gp& index, const Gp&) override {
    Gp entry = a_.gp("entry");
    a_.imul(entry, index, sizeof(RequantizeChannels));
    a_.add(entry, a_.ptr[a_.args() + offsetof(ElementwiseArgs, params)]);
    broadcast_channels(a_, mult_, a_.ptr[entry + offsetof(RequantizeChannels, mult)]);
    broadcast_channels(a_, bias_, a_.ptr[entry + offsetof(RequantizeChannels, bias)]);
    broadcast_channels(a_, zero_, a_.ptr[entry + offsetof(RequantizeChannels, in_zero)]);
    floats_.add_offset(zero_);
  }

 private:
  void compute_group(const Vec& v, const Vec*) override {
    a_.vsubps(v, v, zero_);
    a_.vmulps(v, v, mult_);
    sum_.add(v, bias_);
  }
  Vec mult_, bias_, zero_;
};

// The multiplier depends on the sign of the centred value, which is an exact integer.
class PReluU8 final : public QuadBody {
 public:
  PReluU8(Assembler& a, const ScalarFacts& facts)
      : QuadBody(a, facts, false), mult_(a.vec("mult")), below_(a.vec("mult below")), zero_(a.vec("in_zero")) {}
  void load_plane(const Gp& index, const Gp&) override {
    Gp entry = a_.gp("entry");
    a_.imul(entry, index, sizeof(RequantizeChannels));
    a_.add(entry, a_.ptr[a_.args() + offsetof(ElementwiseArgs, params)]);
    broadcast_channels(a_, mult_, a_.ptr[entry + offsetof(RequantizeChannels, mult)]);
    broadcast_channels(a_, below_, a_.ptr[entry + offsetof(RequantizeChannels, bias)]);
    broadcast_channels(a_, zero_, a_.ptr[entry + offsetof(RequantizeChannels, in_zero)]);
    floats_.add_offset(zero_);
  }

 private:
  void compute_group(const Vec& v, const Vec*) override {
    Vec negative = a_.vec("negative part"), none = a_.vec("zero");
    a_.vsubps(v, v, zero_);
    a_.zero(none);
    a_.vminps(negative, v, none);
    a_.vmaxps(v, v, none);
    a_.vmulps(negative, negative, below_);  // one of the two products is a zero
    a_.vmulps(v, v, mult_);
    a_.vaddps(v, v, negative);
  }
  Vec mult_, below_, zero_;
};

// See fold_requantize(). The packs saturate to bytes; the conversion cannot overflow, that is part of the proof.
class RequantizeFolded final : public ElementwiseBody {
 public:
  RequantizeFolded(Assembler& a, const RoundingFacts& facts)
      : a_(a),
        whole_range_(facts.whole_range),
        mult_(a.vec("mult")),
        bias_(a.vec("bias")),
        lo_(a.vec("lowest")),
        hi_(a.vec("highest")) {}
  void load_constants() override {
    if (whole_range_) return;
    Scalars s(a_);
    for (const Vec* bound : {&lo_, &hi_}) {  // out_zero + (out_lo - out_zero), in every byte
      s.broadcast(*bound, bound == &lo_ ? offsetof(ElementwiseScalars, v_lo) : offsetof(ElementwiseScalars, v_hi));
      s.broadcast(mult_, offsetof(ElementwiseScalars, out_zero));
      a_.vcvtps2dq(*bound, *bound);
      a_.vpaddd(*bound, *bound, mult_);
      a_.vpshufb(*bound, *bound, a_.constant_lanes(0));
    }
  }
  void load_plane(const Gp& index, const Gp&) override {
    Gp entry = a_.gp("entry");
    a_.imul(entry, index, sizeof(RequantizeChannels));
    a_.add(entry, a_.ptr[a_.args() + offsetof(ElementwiseArgs, params)]);
    broadcast_channels(a_, mult_, a_.ptr[entry + offsetof(RequantizeChannels, mult)]);
    broadcast_channels(a_, bias_, a_.ptr[entry + offsetof(RequantizeChannels, bias)]);
  }
  void compute(const Vec& value, const Vec&) override {
    std::vector<Vec> groups = a_.vecs("group", kGroups);
    for (int k = 0; k < kGroups; ++k) {
      const Vec& v = groups[static_cast<size_t>(k)];
      expand_quads(a_, v, value, k);
      a_.vcvtdq2ps(v, v);
      a_.vfmadd213ps(v, mult_, bias_);
      a_.vcvtps2dq(v, v);
    }
    pack_quads(a_, groups);
    if (whole_range_) return a_.copy(value, groups[0]);
    a_.vpmaxub(value, groups[0], lo_);
    a_.vpminub(value, value, hi_);
  }

 private:
  Assembler& a_;
  bool whole_range_;
  Vec mult_, bias_, lo_, hi_;
};

class AddU8 final : public QuadBody {
 public:
  AddU8(Assembler& a, const ScalarFacts& facts, bool pixel)
      : QuadBody(a, facts, !pixel),
        a_mult_(a.vec("a_mult")),
        a_zero_(a.vec("a_zero")),
        b_mult_(a.vec("b_mult")),
        b_zero_(a.vec("b_zero")) {
    if (pixel) pixel_.push_back(a.vec("pixel"));
  }
  void load_constants() override {
    Scalars s(a_);
    s.broadcast(a_mult_, offsetof(ElementwiseScalars, a_mult));
    s.broadcast(a_zero_, offsetof(ElementwiseScalars, a_zero));
    s.broadcast(b_mult_, offsetof(ElementwiseScalars, b_mult));
    s.broadcast(b_zero_, offsetof(ElementwiseScalars, b_zero));
    prepare(a_zero_, a_mult_, facts_.no_a_zero);
    if (pixel_.empty()) prepare(b_zero_, b_mult_, facts_.no_b_zero);
  }
  void load_plane(const Gp&, const Gp& second) override {
    if (pixel_.empty()) return;
    a_.vpbroadcastd(pixel_[0], a_.ptr[second]);
    expand_quads(a_, pixel_[0], pixel_[0], 0);
    a_.vcvtdq2ps(pixel_[0], pixel_[0]);
    a_.vsubps(pixel_[0], pixel_[0], b_zero_);
    a_.vmulps(pixel_[0], pixel_[0], b_mult_);
  }

 private:
  void compute_group(const Vec& v, const Vec* second) override {
    scale(v, a_zero_, a_mult_, facts_.no_a_zero);
    if (second) scale(*second, b_zero_, b_mult_, facts_.no_b_zero);
    sum_.add(v, second ? *second : pixel_[0]);
  }
  std::vector<Vec> pixel_;  // the second operand's only one: a term of the sum
  Vec a_mult_, a_zero_, b_mult_, b_zero_;
};

// v = float((a - a_zero) * (b - b_zero)) * mult. The factors are words; the halves of their products make dwords.
class MulU8 final : public ElementwiseBody {
 public:
  MulU8(Assembler& a, const ScalarFacts& facts, bool pixel)
      : a_(a),
        facts_(facts),
        rounding_(make_rounding(a, facts.rounding)),
        mult_(a.vec("mult")),
        none_(a.vec("no bytes")),
        a_zero_(a.vec("a_zero")),
        b_zero_(a.vec("b_zero")) {
    if (pixel) pixel_.push_back(a.vec("pixel"));
  }
  void load_constants() override {
    Scalars s(a_);
    s.broadcast(mult_, offsetof(ElementwiseScalars, a_mult));
    for (const Vec* zero : {&a_zero_, &b_zero_}) {
      s.broadcast(*zero,
                  zero == &a_zero_ ? offsetof(ElementwiseScalars, a_zero) : offsetof(ElementwiseScalars, b_zero));
      a_.vcvtps2dq(*zero, *zero);
      a_.vpackssdw(*zero, *zero, *zero);
    }
    a_.zero(none_);
  }
  void load_plane(const Gp&, const Gp& second) override {
    if (pixel_.empty()) return;
    a_.vpbroadcastd(pixel_[0], a_.ptr[second]);
    a_.vpunpcklbw(pixel_[0], pixel_[0], none_);
    a_.vpsubw(pixel_[0], pixel_[0], b_zero_);
  }
  void compute(const Vec& value, const Vec& other) override {
    std::vector<Vec> groups = a_.vecs("group", kGroups);
    for (size_t k : {0, 2}) {
      const Vec &low = groups[k], &high = groups[k + 1];
      centered(low, value, a_zero_, facts_.no_a_zero, k == 2);
      if (pixel_.empty()) centered(high, other, b_zero_, facts_.no_b_zero, k == 2);
      std::vector<Vec> spare = a_.vecs("low halves", pixel_.empty() ? 1 : 0);
      const Vec &factor = pixel_.empty() ? high : pixel_[0], &product = pixel_.empty() ? spare[0] : other;
      a_.vpmullw(product, low, factor);
      a_.vpmulhw(high, low, factor);
      a_.vpunpcklwd(low, product, high);
      a_.vpunpckhwd(high, product, high);
      for (const Vec* v : {&low, &high}) {
        a_.vcvtdq2ps(*v, *v);
        a_.vmulps(*v, *v, mult_);
      }
    }
    rounding_.finish(groups);
    a_.copy(value, groups[0]);
  }

 private:
  // Words of the low or the high two pixels of every 128-bit lane.
  void centered(const Vec& to, const Vec& quads, const Vec& zero, bool is_0, bool high) {
    high ? a_.vpunpckhbw(to, quads, none_) : a_.vpunpcklbw(to, quads, none_);
    if (!is_0) a_.vpsubw(to, to, zero);
  }
  Assembler& a_;
  ScalarFacts facts_;
  QuadRounding rounding_;
  std::vector<Vec> pixel_;
  Vec mult_, none_, a_zero_, b_zero_;
};

// Largest |v| of an operator.
double largest_value(ElementwiseOp op, const ElementwiseScalars& s, std::span<const RequantizeChannels> planes) {
  double largest = 0;
  if (op == ElementwiseOp::add_u8) largest = 255 * (std::fabs(double{s.a_mult}) + std::fabs(double{s.b_mult}));
  if (op == ElementwiseOp::mul_u8) largest = 255 * 255 * std::fabs(double{s.a_mult});
  for (const RequantizeChannels& plane : planes)
    for (int j = 0; j < 4; ++j)
      largest = std::max(largest, 255 * std::fabs(double{plane.mult[j]}) + 255 * std::fabs(double{plane.bias[j]}));
  return largest;
}

}  // namespace

ScalarFacts facts_of(ElementwiseOp op, const ElementwiseScalars& s, std::span<const RequantizeChannels> planes) {
  ScalarFacts facts;
  facts.rounding = rounding_facts(largest_value(op, s, planes), s.v_lo, s.v_hi, s.out_zero);
  const bool fused = op == ElementwiseOp::mul_u8 || (op == ElementwiseOp::add_u8 && facts.rounding.bounded);
  facts.no_a_zero = fused && s.a_zero == 0;
  facts.no_b_zero = fused && s.b_zero == 0;
  return facts;
}

bool is_f32(ElementwiseOp op) { return op >= ElementwiseOp::unary_f32; }

bool is_binary(ElementwiseOp op) {
  return op == ElementwiseOp::add_u8 || op == ElementwiseOp::mul_u8 ||
         (op >= ElementwiseOp::add_f32 && op <= ElementwiseOp::prelu_f32);
}

std::unique_ptr<ElementwiseBody> make_elementwise_body(Assembler& a, const ElementwiseSpec& spec) {
  switch (spec.op) {
    case ElementwiseOp::copy: return std::make_unique<Copy>();
    case ElementwiseOp::requantize: return std::make_unique<Requantize>(a, spec.facts);
    case ElementwiseOp::requantize_folded: return std::make_unique<RequantizeFolded>(a, spec.facts.rounding);
    case ElementwiseOp::prelu_u8: return std::make_unique<PReluU8>(a, spec.facts);
    case ElementwiseOp::lut:
    case ElementwiseOp::lut_vbmi:
    case ElementwiseOp::lut_channels:
    case ElementwiseOp::lut_channels_vbmi: return make_table_body(a, spec.op);
    case ElementwiseOp::add_u8: return std::make_unique<AddU8>(a, spec.facts, spec.second == Second::pixel);
    case ElementwiseOp::mul_u8: return std::make_unique<MulU8>(a, spec.facts, spec.second == Second::pixel);
    default: return make_f32_body(a, spec);
  }
}

}  // namespace quadlane
