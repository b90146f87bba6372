#include "jit/kernels/elementwise_bodies.h"

#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

QuadRounding make_rounding(Assembler& a) {
  Scalars s(a);
  return QuadRounding(a, s.at(offsetof(ElementwiseScalars, v_lo)), s.at(offsetof(ElementwiseScalars, v_hi)),
                      s.at(offsetof(ElementwiseScalars, out_zero)));
}

// to = float(group k of quads) - zero: exact.
void centered(Assembler& a, const Vec& to, const Vec& quads, int group, const Vec& zero) {
  expand_quads(a, to, quads, group);
  a.vcvtdq2ps(to, to);
  a.vsubps(to, to, zero);
}

class Copy final : public ElementwiseBody {
 public:
  void compute(const Vec&, const Vec&) override {}
};

// Base of the bodies that compute on four groups and round them to u8.
class QuadBody : public ElementwiseBody {
 public:
  explicit QuadBody(Assembler& a) : a_(a), rounding_(make_rounding(a)) {}
  void compute(const Vec& value, const Vec& other) override {
    std::vector<Vec> groups = a_.vecs("group", kGroups);
    for (int k = 0; k < kGroups; ++k) compute_group(groups[static_cast<size_t>(k)], value, other, k);
    rounding_.finish(groups);
    a_.copy(value, groups[0]);
  }

 protected:
  virtual void compute_group(const Vec& to, const Vec& value, const Vec& other, int group) = 0;
  Assembler& a_;

 private:
  QuadRounding rounding_;
};

class Requantize final : public QuadBody {
 public:
  explicit Requantize(Assembler& a)
      : QuadBody(a), mult_(a.vec("mult")), bias_(a.vec("bias")), zero_(a.vec("in_zero")) {}
  void load_plane(const Gp& index, const Gp&) override {
    Gp entry = a_.gp("entry");
    a_.imul(entry, index, sizeof(RequantizeChannels));
    a_.add(entry, a_.ptr[a_.args() + offsetof(ElementwiseArgs, params)]);
    broadcast_channels(a_, mult_, a_.ptr[entry + offsetof(RequantizeChannels, mult)]);
    broadcast_channels(a_, bias_, a_.ptr[entry + offsetof(RequantizeChannels, bias)]);
    broadcast_channels(a_, zero_, a_.ptr[entry + offsetof(RequantizeChannels, in_zero)]);
  }

 private:
  void compute_group(const Vec& to, const Vec& value, const Vec&, int group) override {
    centered(a_, to, value, group, zero_);
    a_.vmulps(to, to, mult_);
    a_.vaddps(to, to, bias_);
  }
  Vec mult_, bias_, zero_;
};

// The multiplier depends on the sign of the centred value, which is an exact integer.
class PReluU8 final : public QuadBody {
 public:
  explicit PReluU8(Assembler& a)
      : QuadBody(a), mult_(a.vec("mult")), below_(a.vec("mult below")), zero_(a.vec("in_zero")) {}
  void load_plane(const Gp& index, const Gp&) override {
    Gp entry = a_.gp("entry");
    a_.imul(entry, index, sizeof(RequantizeChannels));
    a_.add(entry, a_.ptr[a_.args() + offsetof(ElementwiseArgs, params)]);
    broadcast_channels(a_, mult_, a_.ptr[entry + offsetof(RequantizeChannels, mult)]);
    broadcast_channels(a_, below_, a_.ptr[entry + offsetof(RequantizeChannels, bias)]);
    broadcast_channels(a_, zero_, a_.ptr[entry + offsetof(RequantizeChannels, in_zero)]);
  }

 private:
  void compute_group(const Vec& to, const Vec& value, const Vec&, int group) override {
    Vec negative = a_.vec("negative part"), none = a_.vec("zero");
    centered(a_, to, value, group, zero_);
    a_.zero(none);
    a_.vminps(negative, to, none);
    a_.vmaxps(to, to, none);
    a_.vmulps(negative, negative, below_);  // one of the two products is a zero
    a_.vmulps(to, to, mult_);
    a_.vaddps(to, to, negative);
  }
  Vec mult_, below_, zero_;
};

// See fold_requantize(). The packs saturate to bytes; the conversion cannot overflow, that is part of the proof.
class RequantizeFolded final : public ElementwiseBody {
 public:
  explicit RequantizeFolded(Assembler& a)
      : a_(a), mult_(a.vec("mult")), bias_(a.vec("bias")), lo_(a.vec("lowest")), hi_(a.vec("highest")) {}
  void load_constants() override {
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
    a_.vpmaxub(value, groups[0], lo_);
    a_.vpminub(value, value, hi_);
  }

 private:
  Assembler& a_;
  Vec mult_, bias_, lo_, hi_;
};

class AddU8 final : public QuadBody {
 public:
  AddU8(Assembler& a, bool pixel)
      : QuadBody(a),
        pixel_(pixel),
        a_mult_(a.vec("a_mult")),
        a_zero_(a.vec("a_zero")),
        b_mult_(a.vec("b_mult")),
        b_zero_(a.vec("b_zero")),
        second_(a.vec("second")) {}
  void load_constants() override {
    Scalars s(a_);
    s.broadcast(a_mult_, offsetof(ElementwiseScalars, a_mult));
    s.broadcast(a_zero_, offsetof(ElementwiseScalars, a_zero));
    s.broadcast(b_mult_, offsetof(ElementwiseScalars, b_mult));
    s.broadcast(b_zero_, offsetof(ElementwiseScalars, b_zero));
  }
  void load_plane(const Gp&, const Gp& second) override {
    if (!pixel_) return;
    a_.vpbroadcastd(second_, a_.ptr[second]);
    load_second(second_, 0);
  }

 private:
  void load_second(const Vec& quads, int group) {
    centered(a_, second_, quads, group, b_zero_);
    a_.vmulps(second_, second_, b_mult_);
  }
  void compute_group(const Vec& to, const Vec& value, const Vec& other, int group) override {
    centered(a_, to, value, group, a_zero_);
    if (!pixel_) load_second(other, group);
    a_.vmulps(to, to, a_mult_);
    a_.vaddps(to, to, second_);
  }
  bool pixel_;
  Vec a_mult_, a_zero_, b_mult_, b_zero_, second_;
};

// (a - a_zero) * (b - b_zero) is below 2^16: the float product is the integer one.
class MulU8 final : public QuadBody {
 public:
  MulU8(Assembler& a, bool channels)
      : QuadBody(a),
        channels_(channels),
        mult_(a.vec("mult")),
        a_zero_(a.vec("a_zero")),
        b_zero_(a.vec("b_zero")),
        second_(a.vec("second")) {}
  void load_constants() override {
    Scalars s(a_);
    s.broadcast(mult_, offsetof(ElementwiseScalars, a_mult));
    s.broadcast(a_zero_, offsetof(ElementwiseScalars, a_zero));
    s.broadcast(b_zero_, offsetof(ElementwiseScalars, b_zero));
  }
  void load_plane(const Gp&, const Gp& second) override {
    if (!channels_) return;
    a_.vpbroadcastd(second_, a_.ptr[second]);
    centered(a_, second_, second_, 0, b_zero_);
  }

 private:
  void compute_group(const Vec& to, const Vec& value, const Vec& other, int group) override {
    centered(a_, to, value, group, a_zero_);
    if (!channels_) centered(a_, second_, other, group, b_zero_);
    a_.vmulps(to, to, second_);
    a_.vmulps(to, to, mult_);
  }
  bool channels_;
  Vec mult_, a_zero_, b_zero_, second_;
};

// table[x] by sixteen byte shuffles of 16 entries each. A shuffle gives 0 where its index is negative and uses the low
// four bits otherwise; with the index lowered by 16 from chunk to chunk, all chunks up to the right one answer, and
// since chunk c holds t[c] ^ t[c - 1], their exclusive or is the right entry. The two halves of the table run alone:
// the other half's bytes are negative throughout because the subtraction saturates.
class Lut final : public ElementwiseBody {
 public:
  explicit Lut(Assembler& a) : a_(a), table_(a.gp("table")), sixteen_(a.vec("sixteen")) {}
  void load_constants() override {
    a_.load_arg(table_, offsetof(ElementwiseArgs, params));
    a_.vpbroadcastd(sixteen_, a_.constant_dword(0x10101010));
  }
  void compute(const Vec& value, const Vec&) override {
    Vec upper = a_.vec("upper index"), result = a_.vec("result"), entry = a_.vec("entry");
    a_.bit_xor(upper, value, a_.constant_lanes(0x80808080));
    for (int c = 0; c < 16; ++c) {
      const Vec& index = c < 8 ? value : upper;
      if (c % 8 != 0) a_.vpsubsb(index, index, sixteen_);
      broadcast_channels(a_, entry, a_.ptr[table_ + 16 * c]);
      a_.vpshufb(c == 0 ? result : entry, entry, index);
      if (c > 0) a_.bit_xor(result, result, entry);
    }
    a_.copy(value, result);
  }

 private:
  Assembler& a_;
  Gp table_;
  Vec sixteen_;
};

}  // namespace

bool is_f32(ElementwiseOp op) { return op >= ElementwiseOp::unary_f32; }

bool is_binary(ElementwiseOp op) {
  return op == ElementwiseOp::add_u8 || op == ElementwiseOp::mul_u8 ||
         (op >= ElementwiseOp::add_f32 && op <= ElementwiseOp::prelu_f32);
}

std::unique_ptr<ElementwiseBody> make_elementwise_body(Assembler& a, const ElementwiseSpec& spec) {
  switch (spec.op) {
    case ElementwiseOp::copy: return std::make_unique<Copy>();
    case ElementwiseOp::requantize: return std::make_unique<Requantize>(a);
    case ElementwiseOp::requantize_folded: return std::make_unique<RequantizeFolded>(a);
    case ElementwiseOp::prelu_u8: return std::make_unique<PReluU8>(a);
    case ElementwiseOp::lut: return std::make_unique<Lut>(a);
    case ElementwiseOp::add_u8: return std::make_unique<AddU8>(a, spec.second == Second::pixel);
    case ElementwiseOp::mul_u8: return std::make_unique<MulU8>(a, spec.second == Second::pixel);
    default: return make_f32_body(a, spec);
  }
}

std::array<uint8_t, 256> pack_lut(std::span<const uint8_t, 256> table) {
  std::array<uint8_t, 256> packed;
  for (size_t i = 0; i < packed.size(); ++i) {
    bool first_chunk = i % 128 < 16;  // of its half
    packed[i] = static_cast<uint8_t>(first_chunk ? table[i] : table[i] ^ table[i - 16]);
  }
  return packed;
}

}  // namespace quadlane
