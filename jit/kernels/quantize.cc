// quantize: dst[p].byte(j) = zero[j] + round_half_even(clamp(src_j[p] * inv_scale[j], -zero[j], 255 - zero[j]))
//
// Tile: one register of pixels of all four channels.
//
//   channel j:  load, multiply, NaN -> 0, upper clamp, convert       p0 p1 p2 p3 | p4 ...   (dwords of channel j)
//   packs:      words of channels 0 1 and 2 3, + zero, then bytes    c0p0..3 c1p0..3 c2p0..3 c3p0..3 | ...
//   transpose:  one byte shuffle in each 128-bit lane                p0c0..3 p1c0..3 p2c0..3 p3c0..3 | ...
//
// The saturating packs do the clamping: rounding is monotone and the bounds are integers. Only the upper overflow of
// the conversion (which gives INT_MIN) must be kept away before; its lower overflow saturates to the right end by
// itself.
#include "jit/kernels/quantize.h"

#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

constexpr uint32_t kLargest = 0x47800000;  // 65536.0f: far above every bound, far below 2^31

struct Channel {
  int byte;
  Gp src;
  Vec inv_scale, value;
};

class Quantize {
 public:
  Quantize(Assembler& a, const QuantizeSpec& spec) : a_(a), spec_(spec) {}
  void generate();

 private:
  void plane();
  void load_zero_points();
  void vector(const Gp& x, int at);
  void convert(const Channel&, const Gp& x, int at);

  Assembler& a_;
  const QuantizeSpec& spec_;
  Gp src_ = a_.gp("src channels"), parameters_ = a_.gp("parameters"), dst_planes_ = a_.gp("dst planes");
  Gp pads_ = a_.gp("pads"), dst_ = a_.gp("dst"), scratch_ = a_.gp("scratch");
  Vec pad_ = a_.vec("pad"), zero01_ = a_.vec("zero 0 1"), zero23_ = a_.vec("zero 2 3"), largest_ = a_.vec("largest");
  Vec none_ = a_.vec("no channel"), test_ = a_.vec("not NaN");
  std::vector<Channel> channels_;
};

void Quantize::generate() {
  for (int j = 0; j < kGroups; ++j)
    if (spec_.channels >> j & 1)
      channels_.push_back({j, a_.gp(cat("src", j)), a_.vec(cat("inv_scale", j)), a_.vec(cat("value", j))});
  a_.load_arg(src_, offsetof(QuantizeArgs, src_channels));
  a_.xor_(parameters_, parameters_);  // bytes into inv_scale and zero
  a_.load_arg(dst_planes_, offsetof(QuantizeArgs, dst_planes));
  a_.load_arg(pads_, offsetof(QuantizeArgs, dst_pad));
  a_.vpbroadcastd(largest_, a_.constant_dword(kLargest));
  for_planes(a_, offsetof(QuantizeArgs, planes), [&] { plane(); });
}

void Quantize::plane() {
  using Xbyak::util::ptr;
  a_.load_arg(scratch_, offsetof(QuantizeArgs, inv_scale));
  a_.add(scratch_, parameters_);
  for (Channel& c : channels_) {
    a_.vbroadcastss(c.inv_scale, ptr[scratch_ + c.byte * 4]);
    a_.mov(c.src, ptr[src_ + c.byte * 8]);
    a_.add(c.src, ptr[a_.args() + offsetof(QuantizeArgs, src)]);
  }
  load_zero_points();
  a_.vpbroadcastd(pad_, ptr[pads_]);
  a_.mov(dst_, ptr[dst_planes_]);
  a_.add(dst_, ptr[a_.args() + offsetof(QuantizeArgs, dst)]);
  Gp rows = a_.gp("rows");
  a_.load_arg(rows, offsetof(QuantizeArgs, rows));
  a_.loop(rows, [&] {
    Gp x = a_.gp("x");
    a_.xor_(x, x);
    walk_row(a_, spec_.row, a_.lanes(), {{x, a_.vector_bytes()}}, [&](int at) { vector(x, at); });
    for (Channel& c : channels_) a_.add(c.src, ptr[a_.args() + offsetof(QuantizeArgs, src_row_bytes)]);
    a_.add(dst_, ptr[a_.args() + offsetof(QuantizeArgs, dst_row_bytes)]);
  });
  a_.add(src_, 4 * sizeof(int64_t));
  a_.add(parameters_, 4 * sizeof(float));
  a_.add(dst_planes_, sizeof(int64_t));
  a_.add(pads_, sizeof(uint32_t));
}

// Words in the order of the packed sums: z0 z0 z0 z0 z1 z1 z1 z1 and z2 .. z3.
void Quantize::load_zero_points() {
  a_.load_arg(scratch_, offsetof(QuantizeArgs, zero));
  broadcast_channels(a_, none_, a_.ptr[scratch_ + parameters_]);
  a_.vpshufb(zero01_, none_, a_.constant_vector({0x01000100, 0x01000100, 0x05040504, 0x05040504}));
  a_.vpshufb(zero23_, none_, a_.constant_vector({0x09080908, 0x09080908, 0x0d0c0d0c, 0x0d0c0d0c}));
  a_.zero(none_);
}

void Quantize::convert(const Channel& c, const Gp& x, int at) {
  const Vec& v = c.value;
  load_row_exact(a_, v, a_.ptr[c.src + x], at, spec_.row.w);
  spec_.divides ? a_.vdivps(v, v, c.inv_scale) : a_.vmulps(v, v, c.inv_scale);
  if (a_.avx512()) {
    Mask ordered = a_.mask("not NaN");
    a_.vcmpordps(ordered.k(), v, v);
    a_.vminps(v | ordered.k() | Xbyak::util::T_z, v, largest_);
  } else {
    a_.vcmpordps(test_, v, v);
    a_.vminps(v, v, largest_);
    a_.vpand(v, v, test_);
  }
  a_.vcvtps2dq(v, v);
}

void Quantize::vector(const Gp& x, int at) {
  for (const Channel& c : channels_) convert(c, x, at);
  auto value = [&](int byte) -> const Vec& {
    for (const Channel& c : channels_)
      if (c.byte == byte) return c.value;
    return none_;
  };
  // The results may land in any register whose value is used up: channel 0's or the first one there is.
  const Vec& low = channels_.front().value;
  Vec high = a_.vec("channels 2 3");
  a_.vpackssdw(high, value(2), value(3));
  a_.vpackssdw(low, value(0), value(1));
  a_.vpaddsw(low, low, zero01_);
  a_.vpaddsw(high, high, zero23_);
  a_.vpackuswb(low, low, high);
  a_.vpshufb(low, low, a_.constant_vector({0x0c080400, 0x0d090501, 0x0e0a0602, 0x0f0b0703}));
  store_row(a_, a_.ptr[dst_ + x], low, pad_, at, spec_.row);
}

}  // namespace

std::string describe(const QuantizeSpec& s) {
  return cat("quantize", s.divides ? "_divide " : " ", describe(s.row), " channels", s.channels, " ", to_string(s.isa));
}

Result<MachineCode> generate(const QuantizeSpec& spec, const GenerateOptions& options) {
  if (spec.row.w < 1 || spec.row.gap < 0 || spec.channels < 1 || spec.channels > 15)
    return invalid_argument(describe(spec), ": needs w >= 1, gap >= 0 and channels 1..15");
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) { Quantize(a, spec).generate(); });
}

}  // namespace quadlane
