// dequantized_mean: dst_j = float(sum over the map of src.byte(j) - zero[j]) * scale[j]
//
// The mean of a map in floats: zero and scale carry the number of pixels. Tile: one register of quads, added up as in
// quads.h (QuadSum); the four channels of a plane leave one by one, each to its own plane or dense float.
#include "jit/kernels/quads.h"
#include "jit/kernels/quantize.h"

namespace quadlane {
namespace {

class DequantizedMean {
 public:
  DequantizedMean(Assembler& a, const DequantizedMeanSpec& spec) : a_(a), spec_(spec), sum_(a) {}
  void generate();

 private:
  void plane();
  void store(int channel, const Xbyak::Xmm& means);
  Xbyak::Address arg(size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; }

  Assembler& a_;
  const DequantizedMeanSpec& spec_;
  QuadSum sum_;
  Gp src_planes_ = a_.gp("src planes"), parameters_ = a_.gp("parameters"), dst_channels_ = a_.gp("dst channels");
  Gp src_ = a_.gp("src"), scratch_ = a_.gp("scratch"), dst_ = a_.gp("dst"), x_ = a_.gp("x");
  Vec pixels_ = a_.vec("pixels");
};

void DequantizedMean::generate() {
  a_.load_arg(src_planes_, offsetof(DequantizeArgs, src_planes));
  a_.load_arg(dst_channels_, offsetof(DequantizeArgs, dst_channels));
  a_.xor_(parameters_, parameters_);  // bytes into scale, zero and dst_pad
  for_planes(a_, offsetof(DequantizeArgs, planes), [&] { plane(); });
}

void DequantizedMean::plane() {
  a_.mov(src_, a_.ptr[src_planes_]);
  a_.add(src_, arg(offsetof(DequantizeArgs, src)));
  sum_.clear();
  Gp rows = a_.gp("rows");
  a_.load_arg(rows, offsetof(DequantizeArgs, rows));
  a_.loop(rows, [&] {
    a_.xor_(x_, x_);
    walk_row(a_, RowShape{spec_.w, 0}, a_.lanes(), {{x_, a_.vector_bytes()}}, [&](int at) {
      load_row_exact(a_, pixels_, a_.ptr[src_ + x_], at, spec_.w);
      sum_.add(pixels_);
    });
    a_.add(src_, arg(offsetof(DequantizeArgs, src_row_bytes)));
  });
  const Xbyak::Xmm means = sum_.total(pixels_);
  a_.load_arg(scratch_, offsetof(DequantizeArgs, zero));
  a_.vpsubd(means, means, a_.ptr[scratch_ + parameters_]);
  a_.vcvtdq2ps(means, means);
  a_.load_arg(scratch_, offsetof(DequantizeArgs, scale));
  a_.vmulps(means, means, a_.ptr[scratch_ + parameters_]);
  for (int j = 0; j < kGroups; ++j)
    if (spec_.channels >> j & 1) store(j, means);
  a_.add(src_planes_, sizeof(int64_t));
  a_.add(dst_channels_, 4 * sizeof(int64_t));
  a_.add(parameters_, 4 * sizeof(float));
}

void DequantizedMean::store(int channel, const Xbyak::Xmm& means) {
  a_.mov(dst_, a_.ptr[dst_channels_ + channel * 8]);
  a_.add(dst_, arg(offsetof(DequantizeArgs, dst)));
  a_.vpshufd(pixels_.xmm(), means, static_cast<uint8_t>(channel));
  a_.vmovd(a_.ptr[dst_], pixels_.xmm());
  if (spec_.gap == 0) return;
  a_.load_arg(scratch_, offsetof(DequantizeArgs, dst_pad));
  a_.mov(scratch_.cvt32(), a_.ptr[scratch_ + parameters_ + channel * 4]);
  for (int i = 1; i <= spec_.gap; ++i) a_.mov(a_.ptr[dst_ + i * kPixelBytes], scratch_.cvt32());
}

}  // namespace

std::string describe(const DequantizedMeanSpec& s) {
  return cat("dequantized_mean w", s.w, " gap", s.gap, " channels", s.channels, " ", to_string(s.isa));
}

Result<MachineCode> generate(const DequantizedMeanSpec& spec, const GenerateOptions& options) {
  if (spec.w < 1 || spec.gap < 0 || spec.gap > kSlackPixels || spec.channels < 1 || spec.channels > 15)
    return invalid_argument(describe(spec), ": needs w >= 1, gap >= 0 and channels 1..15");
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) { DequantizedMean(a, spec).generate(); });
}

}  // namespace quadlane
