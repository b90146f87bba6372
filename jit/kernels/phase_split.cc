// split: dst_k(y, x) = src(row(y), stride * x + k) for every wanted phase k
//
// Tile: one register of result pixels of each phase. Stride 1 is a copy; stride 2 splits two registers of source pixels
// into even and odd ones, so both phases cost one pass over the source; larger strides gather.
#include <algorithm>

#include "jit/kernels/phases.h"

namespace quadlane {
namespace {

class PhaseSplit {
 public:
  PhaseSplit(Assembler& a, const PhaseSplitSpec& s) : a_(a), s_(s), pairs_(a) {}
  void generate();

 private:
  void plane();
  void row();
  void vector(int at);
  void fill(int at);
  void store(int phase, const Vec& v, int at);
  int columns(int phase) const;  // result columns whose source exists
  Xbyak::Address arg(size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; }

  Assembler& a_;
  const PhaseSplitSpec& s_;
  PixelPairs pairs_;
  std::vector<int> phases_;
  Gp index_ = a_.gp("plane index"), dst_planes_ = a_.gp("dst planes"), table_ = a_.gp("row table");
  Gp src_ = a_.gp("src"), row_ = a_.gp("src row"), dst_ = a_.gp("dst"), x_src_ = a_.gp("x src"),
     x_dst_ = a_.gp("x dst");
  Gp row_offset_ = a_.gp("dst row");
  Gp next_ = a_.gp("next src row");  // as far behind this one as this one is behind the one before
  Vec pad_ = a_.vec("pad");
  std::vector<Vec> gather_index_;
};

int PhaseSplit::columns(int phase) const {
  int existing = (s_.src_w - phase + s_.stride - 1) / s_.stride;
  return std::max(0, std::min(s_.dst.w, existing));
}

void PhaseSplit::generate() {
  for (int k = 0; k < s_.stride; ++k)
    if (s_.wanted >> k & 1) phases_.push_back(k);
  if (s_.stride > 2) {
    std::vector<uint32_t> index;
    for (int i = 0; i < a_.lanes(); ++i) index.push_back(static_cast<uint32_t>(i * s_.stride * kPixelBytes));
    gather_index_.push_back(a_.vec("gather index"));
    a_.load(gather_index_[0], a_.constant_vector(index));
  }
  a_.load_arg(dst_planes_, offsetof(PhaseSplitArgs, dst_planes));
  a_.xor_(index_, index_);
  for_planes(a_, offsetof(PhaseSplitArgs, planes), [&] {
    plane();
    a_.inc(index_);
    a_.add(dst_planes_, static_cast<int>(phases_.size() * sizeof(int64_t)));
  });
}

void PhaseSplit::plane() {
  a_.load_arg(src_, offsetof(PhaseSplitArgs, src_planes));
  a_.mov(src_, a_.ptr[src_ + index_ * 8]);
  a_.add(src_, arg(offsetof(PhaseSplitArgs, src)));
  a_.load_arg(row_, offsetof(PhaseSplitArgs, dst_pad));
  a_.vpbroadcastd(pad_, a_.ptr[row_ + index_ * 4]);
  a_.load_arg(table_, offsetof(PhaseSplitArgs, src_rows));
  a_.load_arg(row_offset_, offsetof(PhaseSplitArgs, dst));
  Gp rows = a_.gp("rows");
  a_.load_arg(rows, offsetof(PhaseSplitArgs, rows));
  a_.loop(rows, [&] {
    row();
    a_.add(table_, sizeof(int64_t));
    a_.add(row_offset_, arg(offsetof(PhaseSplitArgs, dst_row_bytes)));
  });
}

void PhaseSplit::row() {
  Xbyak::Label exists, done;
  a_.xor_(x_src_, x_src_);
  a_.xor_(x_dst_, x_dst_);
  a_.mov(next_, row_);
  a_.mov(row_, a_.ptr[table_]);
  a_.mov(dst_, kNoRow);
  a_.cmp(row_, dst_);
  a_.jne(exists);
  walk_row(a_, s_.dst, a_.lanes(), {{x_dst_, a_.vector_bytes()}}, [&](int at) { fill(at); });
  a_.jmp(done);
  a_.L(exists);
  a_.add(row_, src_);
  a_.neg(next_);
  a_.lea(next_, a_.ptr[next_ + row_ * 2]);
  int inside = s_.dst.w;
  for (int k : phases_) inside = std::min(inside, columns(k));
  walk_row(a_, s_.dst, a_.lanes(), 0, inside, {{x_src_, a_.vector_bytes() * s_.stride}, {x_dst_, a_.vector_bytes()}},
           [&](int at) { vector(at); });
  a_.L(done);
}

void PhaseSplit::fill(int at) {
  Vec v = a_.vec("padding");
  for (int k : phases_) {
    a_.copy(v, pad_);
    store(k, v, at);
  }
}

void PhaseSplit::store(int phase, const Vec& v, int at) {
  if (at != kAnywhere) keep_lanes(a_, v, pad_, lane_bits(a_, 0, columns(phase) - at));
  size_t position = 0;
  while (phases_[position] != phase) ++position;
  a_.mov(dst_, a_.ptr[dst_planes_ + static_cast<int>(position * sizeof(int64_t))]);
  a_.add(dst_, row_offset_);
  store_row(a_, a_.ptr[dst_ + x_dst_], v, pad_, at, s_.dst, RowStore::halves);
}

void PhaseSplit::vector(int at) {
  Vec low = a_.vec("low"), high = a_.vec("high"), v = a_.vec("phase");
  if (at != kAnywhere && at >= columns(phases_.front())) return fill(at);  // later phases have no more columns
  if (s_.stride == 2) {
    for (int bytes = 0; bytes < 2 * a_.vector_bytes(); bytes += 64) a_.prefetcht0(a_.ptr[next_ + x_src_ + bytes]);
    a_.load(low, a_.ptr[row_ + x_src_]);
    a_.load(high, a_.ptr[row_ + x_src_ + a_.vector_bytes()]);
  }
  for (int k : phases_) {
    if (s_.stride == 1) {
      a_.load(v, a_.ptr[row_ + x_src_]);
    } else if (s_.stride == 2) {
      k == 0 ? pairs_.even(v, low, high) : pairs_.odd(v, low, high);
      pairs_.in_order(v);
    } else {
      a_.lea(dst_, a_.ptr[row_ + x_src_]);
      uint32_t there = lane_bits(a_, 0, at == kAnywhere ? a_.lanes() : columns(k) - at);
      gather(a_, v, dst_, k * kPixelBytes, gather_index_[0], there);
    }
    store(k, v, at);
  }
}

}  // namespace

std::string describe(const PhaseSplitSpec& s) {
  return cat("phase_split s", s.stride, " phases", s.wanted, " w", s.src_w, "->", describe(s.dst), " ",
             to_string(s.isa));
}

Result<MachineCode> generate(const PhaseSplitSpec& s, const GenerateOptions& options) {
  if (s.stride < 1 || s.stride > kMaxPhases) return unsupported(describe(s), ": stride beyond ", kMaxPhases);
  if (s.src_w < 1 || s.dst.w < 1 || s.dst.gap < 0 || s.wanted == 0 || s.wanted >> s.stride)
    return invalid_argument(describe(s), ": extent or phase out of range");
  return assemble(describe(s), s.isa, options, [&](Assembler& a) { PhaseSplit(a, s).generate(); });
}

}  // namespace quadlane
