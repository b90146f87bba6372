// Tile: one register of pixels; the lanes of a row are added in fp32, those of the rows in double precision.
//
//   for each plane, each row:  r = 0   for vectors: r += x   total[0 .. lanes/2) += double(low half of r), ...
#include "jit/kernels/plane_sums.h"

#include <bit>
#include <limits>

namespace quadlane {
namespace {

class PlaneSums {
 public:
  PlaneSums(Assembler& a, const PlaneSumsSpec& s) : a_(a), s_(s) {}
  void generate();

 private:
  void row();
  void vector(int at);
  void finish_row();
  Xbyak::Address arg(size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; }

  Assembler& a_;
  const PlaneSumsSpec& s_;
  Gp index_ = a_.gp("plane index"), src_ = a_.gp("src"), x_ = a_.gp("x");
  Vec sum_ = a_.vec("row sum"), pixels_ = a_.vec("pixels"), center_ = a_.vec("center"), neutral_ = a_.vec("neutral");
  Vec low_ = a_.vec("total low"), high_ = a_.vec("total high");
};

void PlaneSums::generate() {
  const bool maximum = s_.sum == PlaneSum::maximum;
  a_.vbroadcastss(center_, arg(offsetof(PlaneSumsArgs, center)));
  a_.load(neutral_, a_.constant_lanes(std::bit_cast<uint32_t>(maximum ? -std::numeric_limits<float>::infinity() : 0)));
  a_.zero(low_);
  a_.zero(high_);
  a_.copy(sum_, neutral_);
  a_.xor_(index_, index_);
  for_planes(a_, offsetof(PlaneSumsArgs, planes), [&] {
    a_.load_arg(src_, offsetof(PlaneSumsArgs, src_planes));
    a_.mov(src_, a_.ptr[src_ + index_ * 8]);
    a_.add(src_, arg(offsetof(PlaneSumsArgs, src)));
    Gp rows = a_.gp("rows");
    a_.load_arg(rows, offsetof(PlaneSumsArgs, rows));
    a_.loop(rows, [&] { row(); });
    a_.inc(index_);
  });
  a_.load_arg(x_, offsetof(PlaneSumsArgs, lanes));
  if (maximum) return a_.store(a_.ptr[x_], sum_);
  a_.store(a_.ptr[x_], low_);
  a_.store(a_.ptr[x_ + a_.vector_bytes()], high_);
}

void PlaneSums::row() {
  a_.xor_(x_, x_);
  walk_row(a_, RowShape{s_.w, 0}, a_.lanes(), {{x_, a_.vector_bytes()}}, [&](int at) { vector(at); });
  if (s_.sum != PlaneSum::maximum) finish_row();
  a_.add(src_, arg(offsetof(PlaneSumsArgs, src_row_bytes)));
}

void PlaneSums::vector(int at) {
  load_row_exact(a_, pixels_, a_.ptr[src_ + x_], at, s_.w);
  if (s_.sum == PlaneSum::sum) return a_.vaddps(sum_, sum_, pixels_);
  if (s_.sum == PlaneSum::squares) a_.vsubps(pixels_, pixels_, center_);
  if (at != kAnywhere) keep_lanes(a_, pixels_, neutral_, lane_bits(a_, 0, s_.w - at));
  if (s_.sum == PlaneSum::squares) return a_.vfmadd231ps(sum_, pixels_, pixels_);
  a_.vmaxps(sum_, sum_, pixels_);
}

void PlaneSums::finish_row() {
  if (a_.avx512()) {
    a_.vcvtps2pd(pixels_.zmm(), sum_.ymm());
    a_.vaddpd(low_, low_, pixels_);
    a_.vextracti64x4(sum_.ymm(), sum_.zmm(), 1);
    a_.vcvtps2pd(pixels_.zmm(), sum_.ymm());
  } else {
    a_.vcvtps2pd(pixels_.ymm(), sum_.xmm());
    a_.vaddpd(low_, low_, pixels_);
    a_.vextracti128(sum_.xmm(), sum_.ymm(), 1);
    a_.vcvtps2pd(pixels_.ymm(), sum_.xmm());
  }
  a_.vaddpd(high_, high_, pixels_);
  a_.copy(sum_, neutral_);
}

const char* name_of(PlaneSum sum) {
  switch (sum) {
    case PlaneSum::sum: return "sum";
    case PlaneSum::squares: return "squares";
    case PlaneSum::maximum: return "maximum";
  }
  return "?";
}

}  // namespace

std::string describe(const PlaneSumsSpec& s) { return cat("plane_", name_of(s.sum), " w", s.w, " ", to_string(s.isa)); }

Result<MachineCode> generate(const PlaneSumsSpec& s, const GenerateOptions& options) {
  if (s.w < 1) return invalid_argument(describe(s), ": extent out of range");
  return assemble(describe(s), s.isa, options, [&](Assembler& a) { PlaneSums(a, s).generate(); });
}

}  // namespace quadlane
