// c[i][j] = sum over steps s of dot(a[i][s], b[s][j])
//
// Tile: rows x (panels x 2 vector registers) of sums. A step loads a panel's two vectors and broadcasts 4 bytes of each
// row:
//
//              b[s] of panel 0      panel 1
//   a[0][s]    sum 00  sum 01       sum 02  sum 03
//   a[1][s]    sum 10  sum 11       sum 12  sum 13
//
//   f32             sum += a * b, fused
//   int8 VNNI       vpdpbusd: four u8 x s8 products into an s32
//   int8 otherwise  vpmaddwd: two s16 products into an s32, exact; B is widened from s8 after the load
//
// Steps are taken in order, each sum in one register: the result does not depend on the tile.
#include "jit/kernels/gemm.h"

namespace quadlane {
namespace {

constexpr int kUnroll = 4;     // steps in the body of the loop
constexpr int kGroup = 3;      // rows addressed from one pointer: +0, +1, +2 strides
constexpr int kStepBytes = 4;  // of a row of A

class Gemm {
 public:
  Gemm(Assembler& a, const GemmProblem& p, const GemmSchedule& s) : a_(a), p_(p), s_(s) {}
  void generate();

 private:
  int step_bytes() const { return gemm_columns(p_.isa) * (p_.integer ? gemm_step(p_.isa, true) : 4); }
  Xbyak::RegExp row(int i, int unrolled) const;
  Xbyak::RegExp panel(int p, int unrolled) const;
  Vec& sum(int i, int p, int half) { return sums_[static_cast<size_t>((i * s_.panels + p) * 2 + half)]; }
  void step(int unrolled);
  void panel_step(int p, int unrolled);
  void multiply(int i, int p);
  void advance(int steps);
  void store();

  Assembler& a_;
  const GemmProblem& p_;
  const GemmSchedule& s_;
  std::vector<Gp> rows_;  // one for each group
  Gp stride_ = a_.gp("a stride"), b_ = a_.gp("b"), panel_ = a_.gp("panel bytes"), panel3_ = a_.gp("3 panels");
  std::vector<Vec> sums_ = a_.vecs("sum", s_.rows*s_.panels * 2), b_vecs_ = a_.vecs("b", 2);
  Vec left_ = a_.vec("a");
};

void Gemm::generate() {
  a_.load_arg(stride_, offsetof(GemmArgs, a_stride));
  for (int first = 0; first < s_.rows; first += kGroup) {
    rows_.push_back(a_.gp(cat("a row ", first)));
    if (first == 0) {
      a_.load_arg(rows_[0], offsetof(GemmArgs, a));
    } else {
      const Gp& before = rows_[rows_.size() - 2];
      a_.lea(rows_.back(), a_.ptr[before + stride_ * 2]);
      a_.add(rows_.back(), stride_);
    }
  }
  a_.load_arg(b_, offsetof(GemmArgs, b));
  a_.load_arg(panel_, offsetof(GemmArgs, panel_bytes));
  a_.lea(panel3_, a_.ptr[panel_ + panel_ * 2]);
  for (Vec& v : sums_) a_.zero(v);
  Gp steps = a_.gp("steps");
  a_.load_arg(steps, offsetof(GemmArgs, steps));
  a_.shr(steps, 2);
  a_.note(cat("body: ", kUnroll, " steps"));
  a_.loop(steps, [&] {
    for (int u = 0; u < kUnroll; ++u) step(u);
    advance(kUnroll);
  });
  a_.load_arg(steps, offsetof(GemmArgs, steps));
  a_.and_(steps, kUnroll - 1);
  a_.note("tail: one step");
  a_.loop(steps, [&] {
    step(0);
    advance(1);
  });
  store();
}

Xbyak::RegExp Gemm::row(int i, int unrolled) const {
  const Gp& group = rows_[static_cast<size_t>(i / kGroup)];
  Xbyak::RegExp at = group + unrolled * kStepBytes;
  return i % kGroup == 0 ? at : at + stride_ * (i % kGroup);
}

Xbyak::RegExp Gemm::panel(int p, int unrolled) const {
  Xbyak::RegExp at = b_ + unrolled * step_bytes();
  return p == 0 ? at : p == 3 ? at + panel3_ : at + panel_ * p;
}

void Gemm::step(int unrolled) {
  for (int p = 0; p < s_.panels; ++p) panel_step(p, unrolled);
}

void Gemm::panel_step(int p, int unrolled) {
  for (int half = 0; half < 2; ++half) {
    const Vec& to = b_vecs_[static_cast<size_t>(half)];
    const Xbyak::RegExp from = panel(p, unrolled) + half * (step_bytes() / 2);
    if (p_.integer && !a_.vnni())
      a_.vpmovsxbw(to, a_.ptr[from]);
    else
      a_.load(to, a_.ptr[from]);
  }
  for (int i = 0; i < s_.rows; ++i) {
    if (s_.rows > 1 || p == 0 || (p_.integer && !a_.vnni()))  // a single row's factor serves all panels
      p_.integer ? a_.vpbroadcastd(left_, a_.ptr[row(i, unrolled)]) : a_.vbroadcastss(left_, a_.ptr[row(i, unrolled)]);
    multiply(i, p);
  }
}

void Gemm::multiply(int i, int p) {
  Vec &b0 = b_vecs_[0], &b1 = b_vecs_[1], &s0 = sum(i, p, 0), &s1 = sum(i, p, 1);
  if (!p_.integer) {
    a_.vfmadd231ps(s0, left_, b0);
    a_.vfmadd231ps(s1, left_, b1);
  } else if (a_.vnni()) {
    a_.vpdpbusd(s0, left_, b0);
    a_.vpdpbusd(s1, left_, b1);
  } else {
    Vec product = a_.vec("product");
    a_.vpmaddwd(product, left_, b0);
    a_.vpmaddwd(left_, left_, b1);
    a_.vpaddd(s0, s0, product);
    a_.vpaddd(s1, s1, left_);
  }
}

void Gemm::advance(int steps) {
  for (Gp& group : rows_) a_.add(group, steps * kStepBytes);
  a_.add(b_, steps * step_bytes());
}

void Gemm::store() {
  Gp &c = b_, &stride = stride_;  // both are done
  a_.load_arg(c, offsetof(GemmArgs, c));
  a_.load_arg(stride, offsetof(GemmArgs, c_stride));
  for (int i = 0; i < s_.rows; ++i) {
    for (int v = 0; v < s_.panels * 2; ++v) a_.store(a_.ptr[c + v * a_.vector_bytes()], sum(i, v / 2, v % 2));
    a_.add(c, stride);
  }
}

}  // namespace

GemmSchedule gemm_schedule(const GemmProblem& p, int64_t m) {
  if (m == 1) return {1, 4};
  if (m <= 3) return {static_cast<int>(m), 2};
  const int most = has_avx512(p.isa) ? kGemmMaxRows : 6;
  // As few tiles as the limit allows, of nearly equal height: 7 rows are 4 + 3, not 6 + 1.
  const int64_t tiles = (m + most - 1) / most;
  return {m <= 4 * most ? static_cast<int>((m + tiles - 1) / tiles) : most, 1};
}

std::string describe(const GemmProblem& p, const GemmSchedule& s) {
  return cat("gemm_", p.integer ? "u8s8" : "f32", " ", s.rows, "x", s.panels * gemm_columns(p.isa), " ",
             to_string(p.isa));
}

Result<MachineCode> generate(const GemmProblem& p, const GemmSchedule& s, const GenerateOptions& options) {
  if (s.rows < 1 || s.rows > kGemmMaxRows || s.panels < 1 || s.panels > 4)
    return invalid_argument(describe(p, s), ": tile out of range");
  return assemble(describe(p, s), p.isa, options, [&](Assembler& a) { Gemm(a, p, s).generate(); });
}

}  // namespace quadlane
