// u8:   y = rq(float(sum + bias) * m);  sum of every channel over the map, exact in 32 bits
// f32:  y = sum / count
//
// Tile: one register of pixels. u8: a byte shuffle brings the four pixels of a 128-bit lane together by channel, two
// pairwise multiply-adds by 1 leave the sum of four pixels of each channel in its dword (two bytes make at most 510 in
// the 16 bits between: nothing saturates).
//
//   p0c0..3 p1c0..3 p2c0..3 p3c0..3  ->  c0p0..3 c1p0..3 c2p0..3 c3p0..3  ->  sum c0, sum c1, sum c2, sum c3
#include "jit/kernels/pool.h"
#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

class GlobalPool {
 public:
  GlobalPool(Assembler& a, const GlobalPoolSpec& s) : a_(a), s_(s) {}
  void generate();

 private:
  void plane();
  void vector(int at);
  void reduce();
  void store();
  Xbyak::Address arg(size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; }

  Assembler& a_;
  const GlobalPoolSpec& s_;
  Gp index_ = a_.gp("plane index"), src_ = a_.gp("src"), dst_ = a_.gp("dst"), x_ = a_.gp("x");
  Vec sum_ = a_.vec("sum"), pixels_ = a_.vec("pixels"), one8_ = a_.vec("ones 8"), one16_ = a_.vec("ones 16");
};

void GlobalPool::generate() {
  a_.vpbroadcastd(one8_, a_.constant_dword(0x01010101));
  a_.vpbroadcastd(one16_, a_.constant_dword(0x00010001));
  a_.xor_(index_, index_);
  for_planes(a_, offsetof(GlobalPoolArgs, planes), [&] {
    plane();
    a_.inc(index_);
  });
}

void GlobalPool::plane() {
  a_.load_arg(src_, offsetof(GlobalPoolArgs, src_planes));
  a_.mov(src_, a_.ptr[src_ + index_ * 8]);
  a_.add(src_, arg(offsetof(GlobalPoolArgs, src)));
  a_.load_arg(dst_, offsetof(GlobalPoolArgs, dst_planes));
  a_.mov(dst_, a_.ptr[dst_ + index_ * 8]);
  a_.add(dst_, arg(offsetof(GlobalPoolArgs, dst)));
  a_.zero(sum_);
  Gp rows = a_.gp("rows");
  a_.load_arg(rows, offsetof(GlobalPoolArgs, rows));
  a_.loop(rows, [&] {
    a_.xor_(x_, x_);
    walk_row(a_, RowShape{s_.src_w, 0}, a_.lanes(), {{x_, a_.vector_bytes()}}, [&](int at) { vector(at); });
    a_.add(src_, arg(offsetof(GlobalPoolArgs, src_row_bytes)));
  });
  reduce();
  store();
}

void GlobalPool::vector(int at) {
  load_row_exact(a_, pixels_, a_.ptr[src_ + x_], at, s_.src_w);
  if (s_.f32) return a_.vaddps(sum_, sum_, pixels_);
  a_.vpshufb(pixels_, pixels_, a_.constant_vector({0x0c080400, 0x0d090501, 0x0e0a0602, 0x0f0b0703}));
  a_.vpmaddubsw(pixels_, pixels_, one8_);
  a_.vpmaddwd(pixels_, pixels_, one16_);
  a_.vpaddd(sum_, sum_, pixels_);
}

// Adds the 128-bit lanes; f32 also the four floats of the last one.
void GlobalPool::reduce() {
  Xbyak::Xmm low = sum_.xmm(), high = pixels_.xmm();
  auto add = [&](const Xbyak::Xmm& to, const Xbyak::Xmm& x) { s_.f32 ? a_.vaddps(to, to, x) : a_.vpaddd(to, to, x); };
  if (a_.avx512()) {
    a_.vextracti64x4(pixels_.ymm(), sum_.zmm(), 1);
    add(sum_.ymm(), pixels_.ymm());
  }
  a_.vextracti128(high, sum_.ymm(), 1);
  add(low, high);
  if (!s_.f32) return;
  a_.vpshufd(high, low, 0x0e);
  add(low, high);
  a_.vpshufd(high, low, 0x01);
  add(low, high);
}

void GlobalPool::store() {
  auto broadcast = [&](const Vec& to, size_t offset) { a_.vbroadcastss(to.xmm(), arg(offset)); };
  Xbyak::Xmm v = sum_.xmm(), other = pixels_.xmm();
  if (s_.f32) {
    a_.vdivss(v, v, arg(offsetof(GlobalPoolArgs, m)));
  } else {
    a_.vpbroadcastd(other, arg(offsetof(GlobalPoolArgs, bias)));
    a_.vpaddd(v, v, other);
    a_.vcvtdq2ps(v, v);
    broadcast(pixels_, offsetof(GlobalPoolArgs, m));
    a_.vmulps(v, v, other);
    broadcast(pixels_, offsetof(GlobalPoolArgs, v_lo));
    a_.vmaxps(v, v, other);
    broadcast(pixels_, offsetof(GlobalPoolArgs, v_hi));
    a_.vminps(v, v, other);
    a_.vcvtps2dq(v, v);
    a_.vpbroadcastd(other, arg(offsetof(GlobalPoolArgs, out_zero)));
    a_.vpaddd(v, v, other);
    a_.vpackssdw(v, v, v);
    a_.vpackuswb(v, v, v);
  }
  a_.vmovd(a_.ptr[dst_], v);
  if (s_.gap == 0) return;
  a_.load_arg(x_, offsetof(GlobalPoolArgs, dst_pad));
  a_.mov(x_.cvt32(), a_.ptr[x_ + index_ * 4]);
  for (int i = 1; i <= s_.gap; ++i) a_.mov(a_.ptr[dst_ + i * kPixelBytes], x_.cvt32());
}

}  // namespace

std::string describe(const GlobalPoolSpec& s) {
  return cat("global_average_pool_", s.f32 ? "f32" : "u8", " w", s.src_w, " gap", s.gap, " ", to_string(s.isa));
}

Result<MachineCode> generate(const GlobalPoolSpec& s, const GenerateOptions& options) {
  if (s.src_w < 1 || s.gap < 0 || s.gap > kSlackPixels) return invalid_argument(describe(s), ": extent out of range");
  return assemble(describe(s), s.isa, options, [&](Assembler& a) { GlobalPool(a, s).generate(); });
}

}  // namespace quadlane
