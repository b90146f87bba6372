// Pooling that loads every source pixel once a result row, for AVX-512, whose permutations reach across two registers.
//
//   columns:  V[x] = max or sum over the window's rows of source pixel x
//   phases:   E_r[i] = V[stride * i + r], cut out of `stride` registers of V; at stride 1, V itself
//   taps:     column j of the window is E_r shifted by q pixels, stride * q + r = j * dilation - pad
//
// A register is P pixels: 16 quads or floats; sums of u8 are words, 8 pixels, so that two make a vector. Of every phase
// the registers before and behind are kept while the row is walked, and a shift is one valign of neighbours:
//
//   [ before ][ here ][ behind ]        behind is made ahead of its turn where some q is above 0
#include <algorithm>
#include <map>

#include "jit/kernels/pool_walk.h"

namespace quadlane {
namespace {

constexpr int kRowsInRegisters = 3;  // source rows with a pointer each

struct Tap {
  int phase, shift;
};

class SlidingPool final : public PoolWalk {
 public:
  SlidingPool(Assembler& a, const PoolSpec& s);
  static bool supports(const PoolSpec&);

 private:
  struct Phase {
    std::vector<Vec> before, here, behind;
  };

  static std::vector<Tap> taps(const PoolSpec&);
  void load_constants() override;
  void walk() override;
  void walk_vectors();
  void vector(int at);
  void make_phases(int column, int at, bool ahead);
  void sum_rows(const std::vector<Vec>& to, int column, int at);
  void add_pixels(const std::vector<Vec>& to, size_t first, const Xbyak::Reg64& row, int column, int at, bool start);
  void cut_phase(const std::vector<Vec>& to, const std::vector<Vec>& columns, int phase);
  void add_tap(const std::vector<Vec>& to, const Tap&, bool start);
  void combine(const Vec& to, const Xbyak::Operand& x);
  void average(int at);
  void average_u8(int at);
  void per_pixel(const Vec& to, int list, int group);

  int pieces_, pixels_;  // registers in a vector, pixels in a register
  bool behind_ = false, before_ = false, rows_unrolled_ = false;
  std::map<int, Phase> phases_;
  std::vector<Vec> result_;
  std::vector<Vec> zero_, order_;  // average u8
  std::vector<QuadRounding> rounding_;
};

std::vector<Tap> SlidingPool::taps(const PoolSpec& s) {
  std::vector<Tap> list;
  for (int j = 0; j < s.kw; ++j) {
    const int column = j * s.dilation_w - s.pad_left;
    const int shift = column >= 0 ? column / s.stride_w : -((-column + s.stride_w - 1) / s.stride_w);
    list.push_back({column - shift * s.stride_w, shift});
  }
  return list;
}

bool SlidingPool::supports(const PoolSpec& s) {
  const bool words = s.op == PoolOp::average && !s.f32;
  if (!has_avx512(s.isa) || s.stride_w > (words ? 2 : 4) || (words && s.kh * s.kw > 257)) return false;
  for (const Tap& t : taps(s))
    if (t.shift < -kVectorPixels || t.shift > kVectorPixels) return false;
  return true;
}

SlidingPool::SlidingPool(Assembler& a, const PoolSpec& s)
    : PoolWalk(a, s), pieces_(sums_fit_words() ? 2 : 1), pixels_(kVectorPixels / pieces_) {}

void SlidingPool::load_constants() {
  for (int i = 0; i < std::clamp(s_.kh, 2, kRowsInRegisters); ++i) rows_.push_back(a_.gp(cat("tap row", i)));
  for (const Tap& t : taps(s_)) {
    before_ |= t.shift < 0;
    behind_ |= t.shift > 0;
  }
  for (const Tap& t : taps(s_)) {
    Phase& p = phases_[t.phase];
    if (!p.here.empty()) continue;
    p.here = a_.vecs("here", pieces_);
    if (before_) p.before = a_.vecs("before", pieces_);
    if (behind_) p.behind = a_.vecs("behind", pieces_);
  }
  result_ = a_.vecs("result", pieces_);
  if (!sums_fit_words()) return;
  zero_.push_back(a_.vec("zero"));
  a_.zero(zero_[0]);
  order_.push_back(a_.vec("order of quads"));
  a_.load(order_[0], a_.constant_vector({0, 0, 2, 0, 4, 0, 6, 0, 1, 0, 3, 0, 5, 0, 7, 0}));
  rounding_.push_back(rounding());
}

// Where the row sees all rows of the window, as nearly all do, they are unrolled. A maximum may always do that.
void SlidingPool::walk() {
  const bool fits = s_.kh <= kRowsInRegisters;
  Xbyak::Label some, done;
  if (fits) {
    if (averaging()) {
      a_.cmp(a_.dword[table_ + offsetof(PoolRow, taps)], s_.kh);
      a_.jne(some);
    }
    point_to_tap_rows();
    rows_unrolled_ = true;
    walk_vectors();
    rows_unrolled_ = false;
  }
  if (fits && averaging()) a_.jmp(done);
  a_.L(some);
  if (!fits || averaging()) walk_vectors();
  a_.L(done);
}

void SlidingPool::walk_vectors() {
  const int ahead = behind_ ? kVectorPixels : 0;
  walk_row(a_, s_.dst, a_.lanes(), 1, std::max(0, s_.src_w / s_.stride_w - ahead), advances(),
           [&](int at) { vector(at); });
}

void SlidingPool::vector(int at) {
  if (at != kAnywhere && at >= s_.dst.w) {  // padding only
    a_.copy(result_[0], pad_);
    return store(result_[0], at);
  }
  if (at == 0) {
    for (auto& [number, p] : phases_)
      for (const Vec& v : p.before) neutral(v);
    if (behind_) make_phases(0, at, false);
  }
  make_phases(behind_ ? kVectorPixels * s_.stride_w : 0, at, behind_);
  bool start = true;
  for (const Tap& t : taps(s_)) {
    add_tap(result_, t, start);
    start = false;
  }
  if (averaging()) average(at);
  store(result_[0], at);
  for (auto& [number, p] : phases_)
    for (size_t i = 0; i < p.here.size(); ++i) {
      if (before_) a_.copy(p.before[i], p.here[i]);
      if (behind_) a_.copy(p.here[i], p.behind[i]);
    }
}

// The phases of the vector that begins at source pixel stride * at + column, into `behind` or `here`.
void SlidingPool::make_phases(int column, int at, bool ahead) {
  auto target = [&](Phase& p) -> std::vector<Vec>& { return ahead ? p.behind : p.here; };
  if (s_.stride_w == 1) return sum_rows(target(phases_[0]), column, at);
  std::vector<Vec> columns = a_.vecs("columns", s_.stride_w * pieces_);
  sum_rows(columns, column, at);
  for (auto& [number, p] : phases_) cut_phase(target(p), columns, number);
}

void SlidingPool::sum_rows(const std::vector<Vec>& to, int column, int at) {
  const auto pieces = static_cast<size_t>(pieces_);
  auto add_row = [&](const Xbyak::Reg64& row, bool start) {
    for (size_t first = 0; first < to.size(); first += pieces)
      add_pixels(to, first, row, column + static_cast<int>(first / pieces) * kVectorPixels, at, start);
  };
  if (rows_unrolled_) {
    // Rows lie one behind the other, so what is ahead of the newest one is wanted soon.
    if (at == kAnywhere)
      for (int i = 0; i < s_.stride_w; ++i)
        a_.prefetcht0(a_.ptr[rows_[static_cast<size_t>(s_.kh - 1)] + x_src_ + column * kPixelBytes + 1024 + 64 * i]);
    for (int i = 0; i < s_.kh; ++i) add_row(rows_[static_cast<size_t>(i)], i == 0);
    return;
  }
  for (const Vec& v : to) neutral(v);
  for_tap_rows([&] { add_row(rows_[0], false); });
}

// 16 pixels of one row into the pieces from `first` on.
void SlidingPool::add_pixels(const std::vector<Vec>& to, size_t first, const Xbyak::Reg64& row, int column, int at,
                             bool start) {
  const Vec& low = to[first];
  const bool inside = columns_inside(column, at) == lane_bits(a_, 0, a_.lanes());
  if (pieces_ == 1) {
    if (start) return load_columns(low, row, column, at);
    if (inside) return combine(low, a_.ptr[row + x_src_ + column * kPixelBytes]);
    Vec pixels = a_.vec("pixels");
    load_columns(pixels, row, column, at);
    return combine(low, pixels);
  }
  Vec pixels = a_.vec("pixels"), widened = a_.vec("words");
  if (!inside) load_columns(pixels, row, column, at);
  for (int half = 0; half < 2; ++half) {
    const Vec &sum = to[first + static_cast<size_t>(half)], &words = start ? sum : widened;
    if (inside) {
      a_.vpmovzxbw(words, a_.ptr[row + x_src_ + column * kPixelBytes + half * 32]);
    } else {
      if (half) a_.vextracti64x4(pixels.ymm(), pixels.zmm(), 1);
      a_.vpmovzxbw(words, pixels.ymm());
    }
    if (!start) a_.vpaddw(sum, sum, words);
  }
}

void SlidingPool::combine(const Vec& to, const Xbyak::Operand& x) {
  if (!averaging()) return maximum(to, x);
  s_.f32 ? a_.vaddps(to, to, x) : a_.vpaddw(to, to, x);
}

// Piece p draws its pixels from pieces stride * p .. stride * p + stride - 1 of the columns.
void SlidingPool::cut_phase(const std::vector<Vec>& to, const std::vector<Vec>& columns, int phase) {
  Vec index = a_.vec("index");
  for (int p = 0; p < pieces_; ++p) {
    const Vec& v = to[static_cast<size_t>(p)];
    const auto from = static_cast<size_t>(p * s_.stride_w);
    a_.copy(v, columns[from]);
    for (int k = 1; k < s_.stride_w; ++k) {
      std::vector<uint32_t> lanes;
      for (int i = 0; i < pixels_; ++i) {
        const int source = s_.stride_w * i + phase, piece = source / pixels_, lane = source % pixels_;
        int chosen = piece == k ? pixels_ + lane : i;  // what earlier steps put in its place
        if (k == 1 && piece == 0) chosen = lane;
        lanes.push_back(static_cast<uint32_t>(chosen));
        if (pieces_ == 2) lanes.push_back(0);
      }
      a_.load(index, a_.constant_vector(lanes));
      const Vec& next = columns[from + static_cast<size_t>(k)];
      pieces_ == 2 ? a_.vpermt2q(v, index, next) : a_.vpermt2d(v, index, next);
    }
  }
}

void SlidingPool::add_tap(const std::vector<Vec>& to, const Tap& tap, bool start) {
  const Phase& phase = phases_.at(tap.phase);
  std::vector<const Vec*> line(static_cast<size_t>(3 * pieces_), nullptr);  // before, here, behind
  for (size_t i = 0; i < phase.here.size(); ++i) {
    if (before_) line[i] = &phase.before[i];
    line[phase.here.size() + i] = &phase.here[i];
    if (behind_) line[2 * phase.here.size() + i] = &phase.behind[i];
  }
  Vec shifted = a_.vec("shifted");
  for (int p = 0; p < pieces_; ++p) {
    const int at = (pieces_ + p) * pixels_ + tap.shift, lane = at % pixels_;
    const Vec *low = line[static_cast<size_t>(at / pixels_)], &result = to[static_cast<size_t>(p)];
    const Vec& v = lane == 0 ? *low : start ? result : shifted;
    if (lane != 0) {
      const Vec& high = *line[static_cast<size_t>(at / pixels_ + 1)];
      const auto by = static_cast<uint8_t>(lane);
      pieces_ == 2 ? a_.valignq(v, high, *low, by) : a_.valignd(v, high, *low, by);
    }
    start ? a_.copy(result, v) : combine(result, v);
  }
}

void SlidingPool::average(int at) {
  if (s_.f32) return a_.vdivps(result_[0], result_[0], a_.ptr[factors_[0]]);
  average_u8(at);
}

// Words of pixels 0 1 | 2 3 | .. and 8 9 | 10 11 | ..: group k is every second one of piece k / 2.
void SlidingPool::average_u8(int at) {
  std::vector<Vec> groups = a_.vecs("group", kGroups);
  Vec value = a_.vec("of group");
  const int bias = (s_.dst.w + kVectorPixels - 1) / kVectorPixels * kVectorPixels * static_cast<int>(sizeof(float));
  for (int k = 0; k < kGroups; ++k) {
    const Vec &v = groups[static_cast<size_t>(k)], &words = result_[static_cast<size_t>(k / 2)];
    k % 2 ? a_.vpunpckhwd(v, words, zero_[0]) : a_.vpunpcklwd(v, words, zero_[0]);
    if (at == kAnywhere) {  // whole windows: one factor for all
      if (!s_.no_in_zero) a_.vpaddd(v, v, a_.ptr_b[factors_[0] + bias]);
      a_.vcvtdq2ps(v, v);
      a_.vmulps(v, v, a_.ptr_b[factors_[0]]);
      continue;
    }
    per_pixel(value, bias, k);
    a_.vpaddd(v, v, value);
    a_.vcvtdq2ps(v, v);
    per_pixel(value, 0, k);
    a_.vmulps(v, v, value);
  }
  rounding_[0].finish(groups);
  a_.vpermq(result_[0].zmm(), order_[0].zmm(), groups[0].zmm());
}

// to = the numbers of group k's pixels, each for its four channels.
void SlidingPool::per_pixel(const Vec& to, int list, int group) {
  std::vector<uint32_t> pixels;
  for (uint32_t i = 0; i < kVectorPixels; ++i)
    pixels.push_back(static_cast<uint32_t>(group / 2) * 8 + i / 4 * 2 + static_cast<uint32_t>(group % 2));
  a_.load(to, a_.constant_vector(pixels));
  a_.vpermd(to.zmm(), to.zmm(), a_.ptr[factors_[0] + list]);
}

}  // namespace

std::unique_ptr<PoolWalk> make_sliding_pool(Assembler& a, const PoolSpec& s) {
  if (!SlidingPool::supports(s)) return nullptr;
  return std::make_unique<SlidingPool>(a, s);
}

}  // namespace quadlane
