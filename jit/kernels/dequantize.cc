// dequantize: dst_j[p] = float(src[p].byte(j) - zero[j]) * scale[j]
//
// Tile: one register of quads; for each channel one byte shuffle spreads its byte of every pixel to a dword:
//
//   p0c0 p0c1 p0c2 p0c3 | p1c0 ...   ->   p0cj 0 0 0 | p1cj 0 0 0 | ...
#include "jit/kernels/quads.h"
#include "jit/kernels/quantize.h"

namespace quadlane {
namespace {

struct Channel {
  int byte;
  Gp dst;
  Vec scale, zero;
};

class Dequantize {
 public:
  Dequantize(Assembler& a, const DequantizeSpec& spec) : a_(a), spec_(spec) {}
  void generate();

 private:
  void plane();
  void vector(const Gp& x, int at);

  Assembler& a_;
  const DequantizeSpec& spec_;
  Gp src_planes_ = a_.gp("src planes"), parameters_ = a_.gp("parameters"), dst_channels_ = a_.gp("dst channels");
  Gp src_ = a_.gp("src"), scratch_ = a_.gp("scratch");
  Vec quads_ = a_.vec("quads"), pad_ = a_.vec("pad"), value_ = a_.vec("value");
  std::vector<Channel> channels_;
};

void Dequantize::generate() {
  for (int j = 0; j < kGroups; ++j)
    if (spec_.channels >> j & 1)
      channels_.push_back({j, a_.gp(cat("dst", j)), a_.vec(cat("scale", j)), a_.vec(cat("zero", j))});
  a_.load_arg(src_planes_, offsetof(DequantizeArgs, src_planes));
  a_.load_arg(dst_channels_, offsetof(DequantizeArgs, dst_channels));
  a_.xor_(parameters_, parameters_);  // bytes into scale, zero and dst_pad
  for_planes(a_, offsetof(DequantizeArgs, planes), [&] { plane(); });
}

void Dequantize::plane() {
  using Xbyak::util::ptr;
  a_.load_arg(scratch_, offsetof(DequantizeArgs, scale));
  a_.add(scratch_, parameters_);
  for (Channel& c : channels_) a_.vbroadcastss(c.scale, ptr[scratch_ + c.byte * 4]);
  a_.load_arg(scratch_, offsetof(DequantizeArgs, zero));
  a_.add(scratch_, parameters_);
  for (Channel& c : channels_) {
    a_.vpbroadcastd(c.zero, ptr[scratch_ + c.byte * 4]);
    a_.mov(c.dst, ptr[dst_channels_ + c.byte * 8]);
    a_.add(c.dst, ptr[a_.args() + offsetof(DequantizeArgs, dst)]);
  }
  if (spec_.row.gap > 0) {
    a_.load_arg(scratch_, offsetof(DequantizeArgs, dst_pad));
    a_.add(scratch_, parameters_);
  }
  a_.mov(src_, ptr[src_planes_]);
  a_.add(src_, ptr[a_.args() + offsetof(DequantizeArgs, src)]);
  Gp rows = a_.gp("rows");
  a_.load_arg(rows, offsetof(DequantizeArgs, rows));
  a_.loop(rows, [&] {
    Gp x = a_.gp("x");
    a_.xor_(x, x);
    walk_row(a_, spec_.row, a_.lanes(), {{x, a_.vector_bytes()}}, [&](int at) { vector(x, at); });
    for (Channel& c : channels_) a_.add(c.dst, ptr[a_.args() + offsetof(DequantizeArgs, dst_row_bytes)]);
    a_.add(src_, ptr[a_.args() + offsetof(DequantizeArgs, src_row_bytes)]);
  });
  a_.add(src_planes_, sizeof(int64_t));
  a_.add(dst_channels_, 4 * sizeof(int64_t));
  a_.add(parameters_, 4 * sizeof(float));
}

void Dequantize::vector(const Gp& x, int at) {
  a_.load(quads_, a_.ptr[src_ + x]);
  for (const Channel& c : channels_) {
    std::vector<uint32_t> bytes;  // byte j of each pixel, zero-extended
    for (int p = 0; p < 4; ++p) bytes.push_back(0x80808000u | static_cast<uint32_t>(4 * p + c.byte));
    a_.vpshufb(value_, quads_, a_.constant_vector(bytes));
    a_.vpsubd(value_, value_, c.zero);
    a_.vcvtdq2ps(value_, value_);
    a_.vmulps(value_, value_, c.scale);
    if (at != kAnywhere && spec_.row.gap > 0) a_.vbroadcastss(pad_, a_.ptr[scratch_ + c.byte * 4]);
    store_row(a_, a_.ptr[c.dst + x], value_, pad_, at, spec_.row);
  }
}

}  // namespace

std::string describe(const DequantizeSpec& s) {
  return cat("dequantize ", describe(s.row), " channels", s.channels, " ", to_string(s.isa));
}

Result<MachineCode> generate(const DequantizeSpec& spec, const GenerateOptions& options) {
  if (spec.row.w < 1 || spec.row.gap < 0 || spec.channels < 1 || spec.channels > 15)
    return invalid_argument(describe(spec), ": needs w >= 1, gap >= 0 and channels 1..15");
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) { Dequantize(a, spec).generate(); });
}

}  // namespace quadlane
