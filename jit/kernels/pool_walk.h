// What all pooling kernels share: planes, result rows and the source rows under them, columns outside the image. The
// two kinds of kernel are pool.cc (window by window) and pool_sliding.cc (AVX-512: every source pixel once a row of
// results).
#pragma once

#include <memory>

#include "jit/kernels/pool.h"
#include "jit/kernels/quads.h"

namespace quadlane {

class PoolWalk {
 public:
  virtual ~PoolWalk() = default;
  void generate();

 protected:
  PoolWalk(Assembler& a, const PoolSpec& s) : a_(a), s_(s) {}

  virtual void load_constants() = 0;
  virtual void walk() = 0;  // the vectors of one result row, with the registers below set

  bool averaging() const { return s_.op == PoolOp::average; }
  bool sums_fit_words() const { return averaging() && !s_.f32 && s_.kh * s_.kw <= 257; }  // 257 * 255 = 65535
  void
  point_to_tap_rows();  // rows_[i]: the row of tap i, or the last one there is: a maximum does not mind seeing it twice
  // `for_each_row` with rows_[0] at every source row in turn; uses rows_[1].
  void for_tap_rows(const std::function<void()>& for_each_row);
  std::vector<Advance> advances() const;
  QuadRounding rounding() const;

  // Loads lanes() source pixels from `column` on, relative to stride * at; those outside the image become the neutral
  // value. What has no pixel inside is not loaded, so a load never reaches further than a register behind a row's end.
  void load_columns(const Vec& to, const Xbyak::Reg64& row, int column, int at);
  uint32_t columns_inside(int column, int at) const;
  void neutral(const Vec& to);
  void maximum(const Vec& to, const Xbyak::Operand& x) { s_.f32 ? a_.vmaxps(to, to, x) : a_.vpmaxub(to, to, x); }
  void store(const Vec& v, int at) { store_row(a_, a_.ptr[dst_ + x_dst_], v, pad_, at, s_.dst); }

  Assembler& a_;
  const PoolSpec& s_;
  Gp planes_ = a_.gp("plane index"), table_ = a_.gp("row table");
  Gp src_ = a_.gp("src"), dst_ = a_.gp("dst");
  Gp x_src_ = a_.gp("x src"), x_dst_ = a_.gp("x dst");
  std::vector<Gp> rows_;
  std::vector<Gp> factors_;  // average
  Vec pad_ = a_.vec("pad");

 private:
  void row();
};

std::unique_ptr<PoolWalk> make_tap_pool(Assembler&, const PoolSpec&);
// Null where its way does not apply: AVX2, wide strides, windows that reach over more than a register.
std::unique_ptr<PoolWalk> make_sliding_pool(Assembler&, const PoolSpec&);

}  // namespace quadlane
