// range: ranges[p] = min(0, the least value of plane p), max(0, the largest)
//
// Tile: one register of pixels. Lanes behind the end of a row are loaded as 0, which both results include anyway. NaN
// counts for nothing: vminps and vmaxps return their second operand.
#include "jit/kernels/quantize.h"

namespace quadlane {
namespace {

class Range {
 public:
  Range(Assembler& a, const RangeSpec& s) : a_(a), s_(s) {}
  void generate();

 private:
  void plane();
  void store(const Vec& v, int at, bool least);

  Assembler& a_;
  const RangeSpec& s_;
  Gp planes_ = a_.gp("planes"), ranges_ = a_.gp("ranges"), src_ = a_.gp("src"), x_ = a_.gp("x");
  Vec least_ = a_.vec("least"), largest_ = a_.vec("largest"), pixels_ = a_.vec("pixels");
};

void Range::generate() {
  a_.load_arg(planes_, offsetof(RangeArgs, src_planes));
  a_.load_arg(ranges_, offsetof(RangeArgs, ranges));
  for_planes(a_, offsetof(RangeArgs, planes), [&] {
    plane();
    a_.add(planes_, sizeof(int64_t));
    a_.add(ranges_, 2 * sizeof(float));
  });
}

void Range::plane() {
  a_.mov(src_, a_.ptr[planes_]);
  a_.add(src_, a_.ptr[a_.args() + offsetof(RangeArgs, src)]);
  a_.zero(least_);
  a_.zero(largest_);
  Gp rows = a_.gp("rows");
  a_.load_arg(rows, offsetof(RangeArgs, rows));
  a_.loop(rows, [&] {
    a_.xor_(x_, x_);
    walk_row(a_, RowShape{s_.w, 0}, a_.lanes(), {{x_, a_.vector_bytes()}}, [&](int at) {
      load_row_exact(a_, pixels_, a_.ptr[src_ + x_], at, s_.w);
      a_.vminps(least_, pixels_, least_);
      a_.vmaxps(largest_, pixels_, largest_);
    });
    a_.add(src_, a_.ptr[a_.args() + offsetof(RangeArgs, src_row_bytes)]);
  });
  store(least_, 0, true);
  store(largest_, sizeof(float), false);
}

// Halves until one lane is left.
void Range::store(const Vec& v, int at, bool least) {
  Xbyak::Xmm low = v.xmm(), high = pixels_.xmm();
  auto meet = [&](const Xbyak::Xmm& to, const Xbyak::Xmm& x) { least ? a_.vminps(to, to, x) : a_.vmaxps(to, to, x); };
  if (a_.avx512()) {
    a_.vextracti64x4(pixels_.ymm(), v.zmm(), 1);
    meet(v.ymm(), pixels_.ymm());
  }
  a_.vextracti128(high, v.ymm(), 1);
  meet(low, high);
  a_.vpshufd(high, low, 0x0e);
  meet(low, high);
  a_.vpshufd(high, low, 0x01);
  meet(low, high);
  a_.vmovd(a_.ptr[ranges_ + at], low);
}

}  // namespace

std::string describe(const RangeSpec& s) { return cat("range w", s.w, " ", to_string(s.isa)); }

Result<MachineCode> generate(const RangeSpec& spec, const GenerateOptions& options) {
  if (spec.w < 1) return invalid_argument(describe(spec), ": needs w >= 1");
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) { Range(a, spec).generate(); });
}

}  // namespace quadlane
