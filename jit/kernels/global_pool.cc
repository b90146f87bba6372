// u8:   y = rq(float(sum + bias) * m);  sum of every channel over the map, exact in 32 bits
// f32:  y = sum / count
//
// Tile: one register of pixels. u8: QuadSum adds up four channels at once.
#include <optional>

#include "jit/kernels/pool.h"
#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

class GlobalPool {
 public:
  GlobalPool(Assembler& a, const GlobalPoolSpec& s) : a_(a), s_(s) {
    s.f32 ? void(sum_.emplace(a.vec("sum"))) : void(quads_.emplace(a));
  }
  void generate();

 private:
  void plane();
  void vector(int at);
  Xbyak::Xmm reduce();
  void store(const Xbyak::Xmm& v);
  Xbyak::Address arg(size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; }

  Assembler& a_;
  const GlobalPoolSpec& s_;
  Gp index_ = a_.gp("plane index"), src_ = a_.gp("src"), dst_ = a_.gp("dst"), x_ = a_.gp("x");
  Vec pixels_ = a_.vec("pixels");
  std::optional<Vec> sum_;         // f32
  std::optional<QuadSum> quads_;  // u8
};

void GlobalPool::generate() {
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
  s_.f32 ? a_.zero(*sum_) : quads_->clear();
  Gp rows = a_.gp("rows");
  a_.load_arg(rows, offsetof(GlobalPoolArgs, rows));
  a_.loop(rows, [&] {
    a_.xor_(x_, x_);
    walk_row(a_, RowShape{s_.src_w, 0}, a_.lanes(), {{x_, a_.vector_bytes()}}, [&](int at) { vector(at); });
    a_.add(src_, arg(offsetof(GlobalPoolArgs, src_row_bytes)));
  });
  store(reduce());
}

void GlobalPool::vector(int at) {
  load_row_exact(a_, pixels_, a_.ptr[src_ + x_], at, s_.src_w);
  s_.f32 ? a_.vaddps(*sum_, *sum_, pixels_) : quads_->add(pixels_);
}

// The sum of the floats, or the four of the channels.
Xbyak::Xmm GlobalPool::reduce() {
  if (!s_.f32) return quads_->total(pixels_);
  Xbyak::Xmm low = sum_->xmm(), high = pixels_.xmm();
  if (a_.avx512()) {
    a_.vextracti64x4(pixels_.ymm(), sum_->zmm(), 1);
    a_.vaddps(sum_->ymm(), sum_->ymm(), pixels_.ymm());
  }
  a_.vextracti128(high, sum_->ymm(), 1);
  a_.vaddps(low, low, high);
  for (uint8_t order : {0x0e, 0x01}) {
    a_.vpshufd(high, low, order);
    a_.vaddps(low, low, high);
  }
  return low;
}

void GlobalPool::store(const Xbyak::Xmm& v) {
  auto broadcast = [&](const Vec& to, size_t offset) { a_.vbroadcastss(to.xmm(), arg(offset)); };
  Xbyak::Xmm other = pixels_.xmm();
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
