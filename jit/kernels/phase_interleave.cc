// interleave: dst(y, stride * x + k) = src_k(y, x)
//
// Tile: `stride` registers of result pixels from one register of each phase. Stride 2 interleaves two registers; other
// strides permute every phase into every result register and keep its lanes:
//
//   stride 3, 8 lanes:  result 0 = k0x0 k1x0 k2x0 k0x1 k1x1 k2x1 k0x2 k1x2      result 1 = k2x2 k0x3 ...
#include "jit/kernels/phases.h"

namespace quadlane {
namespace {

class PhaseInterleave {
 public:
  PhaseInterleave(Assembler& a, const PhaseInterleaveSpec& s) : a_(a), s_(s) {}
  void generate();

 private:
  void plane();
  void step(int at);
  void step_of_two(int at);
  void step_of_many(int at);
  void load_phase(const Vec& to, int phase);
  void store(const Vec& v, int number, int at);
  Xbyak::Address arg(size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; }

  Assembler& a_;
  const PhaseInterleaveSpec& s_;
  Gp index_ = a_.gp("plane index"), src_planes_ = a_.gp("src planes"), src_row_ = a_.gp("src row");
  Gp src_ = a_.gp("src"), dst_ = a_.gp("dst"), x_src_ = a_.gp("x src"), x_dst_ = a_.gp("x dst");
  Vec pad_ = a_.vec("pad");
};

void PhaseInterleave::generate() {
  a_.load_arg(src_planes_, offsetof(PhaseInterleaveArgs, src_planes));
  a_.xor_(index_, index_);
  for_planes(a_, offsetof(PhaseInterleaveArgs, planes), [&] {
    plane();
    a_.inc(index_);
    a_.add(src_planes_, s_.stride * static_cast<int>(sizeof(int64_t)));
  });
}

void PhaseInterleave::plane() {
  a_.load_arg(dst_, offsetof(PhaseInterleaveArgs, dst_pad));
  a_.vpbroadcastd(pad_, a_.ptr[dst_ + index_ * 4]);
  a_.load_arg(dst_, offsetof(PhaseInterleaveArgs, dst_planes));
  a_.mov(dst_, a_.ptr[dst_ + index_ * 8]);
  a_.add(dst_, arg(offsetof(PhaseInterleaveArgs, dst)));
  a_.load_arg(src_row_, offsetof(PhaseInterleaveArgs, src));
  Gp rows = a_.gp("rows");
  a_.load_arg(rows, offsetof(PhaseInterleaveArgs, rows));
  a_.loop(rows, [&] {
    a_.xor_(x_src_, x_src_);
    a_.xor_(x_dst_, x_dst_);
    walk_row(a_, s_.dst, s_.stride * a_.lanes(), {{x_src_, a_.vector_bytes()}, {x_dst_, a_.vector_bytes() * s_.stride}},
             [&](int at) { step(at); });
    a_.add(src_row_, arg(offsetof(PhaseInterleaveArgs, src_row_bytes)));
    a_.add(dst_, arg(offsetof(PhaseInterleaveArgs, dst_row_bytes)));
  });
}

void PhaseInterleave::load_phase(const Vec& to, int phase) {
  a_.mov(src_, a_.ptr[src_planes_ + phase * static_cast<int>(sizeof(int64_t))]);
  a_.add(src_, src_row_);
  a_.load(to, a_.ptr[src_ + x_src_]);
}

void PhaseInterleave::store(const Vec& v, int number, int at) {
  store_row(a_, a_.ptr[dst_ + x_dst_ + number * a_.vector_bytes()], v, pad_,
            at == kAnywhere ? at : at + number * a_.lanes(), s_.dst, RowStore::halves);
}

void PhaseInterleave::step(int at) { s_.stride == 2 ? step_of_two(at) : step_of_many(at); }

void PhaseInterleave::step_of_two(int at) {
  Vec even = a_.vec("phase 0"), odd = a_.vec("phase 1"), low = a_.vec("low"), high = a_.vec("high");
  load_phase(even, 0);
  load_phase(odd, 1);
  interleave_pixels(a_, low, high, even, odd);
  store(low, 0, at);
  store(high, 1, at);
}

void PhaseInterleave::step_of_many(int at) {
  Vec phase = a_.vec("phase"), result = a_.vec("result"), spread = a_.vec("spread");
  for (int number = 0; number < s_.stride; ++number) {
    std::vector<uint32_t> column;
    for (int i = 0; i < a_.lanes(); ++i) column.push_back(static_cast<uint32_t>((number * a_.lanes() + i) / s_.stride));
    for (int k = 0; k < s_.stride; ++k) {
      uint32_t lanes = 0;
      for (int i = 0; i < a_.lanes(); ++i)
        if ((number * a_.lanes() + i) % s_.stride == k) lanes |= 1u << i;
      load_phase(phase, k);
      a_.load(spread, a_.constant_vector(column));
      if (a_.avx512())
        a_.vpermd(spread.zmm(), spread.zmm(), phase.zmm());
      else
        a_.vpermd(spread.ymm(), spread.ymm(), phase.ymm());
      if (k == 0)
        a_.copy(result, spread);
      else
        keep_lanes(a_, result, spread, ~lanes & lane_bits(a_, 0, a_.lanes()));
    }
    store(result, number, at);
  }
}

}  // namespace

std::string describe(const PhaseInterleaveSpec& s) {
  return cat("phase_interleave s", s.stride, " ", describe(s.dst), " ", to_string(s.isa));
}

Result<MachineCode> generate(const PhaseInterleaveSpec& s, const GenerateOptions& options) {
  if (s.stride < 1 || s.stride > kMaxPhases) return unsupported(describe(s), ": stride beyond ", kMaxPhases);
  if (s.dst.w < 1 || s.dst.gap < 0) return invalid_argument(describe(s), ": extent out of range");
  return assemble(describe(s), s.isa, options, [&](Assembler& a) { PhaseInterleave(a, s).generate(); });
}

}  // namespace quadlane
