// max:      dst(y, x) = max over taps of src(y * sh - pt + i * dh, x * sw - pl + j * dw)
// average:  dst(y, x) = sum over the same taps, scaled (see engine/base/abi/pool.h)
//
// Tile: one register of result pixels. Rows outside the image are not in the row table; columns outside are masked to
// the operation's neutral value in the few vectors at the borders, whose positions are known when they are generated.
//
// Columns, by horizontal stride:
//   1   every tap is the same load at another offset
//   2   2 * lanes source pixels are loaded and split into even and odd ones; a tap at an even distance from another
//       shares its load. Max first takes the maximum over the rows of the unsplit pixels
//   3+  gather
#include "jit/kernels/pool.h"

#include <algorithm>

#include "jit/kernels/quads.h"

namespace quadlane {
namespace {

constexpr uint32_t kMinusInfinity = 0xff800000;
constexpr int kUnrolledRows = 4;  // taps of a column whose row pointers stay in registers

// Source columns that one load (stride 2: one pair of loads) serves, relative to stride * x.
struct ColumnLoad {
  int column;
  bool even, odd;  // stride 2: taps at column and at column + 1
};

class Pool {
 public:
  Pool(Assembler& a, const PoolSpec& s) : a_(a), s_(s), pairs_(a), averaging_(s.op == PoolOp::average) {}
  void generate();

 private:
  void plane();
  void row();
  void vector(int at);
  void taps_of_row(const Xbyak::Reg64& row, int at);
  void tap(const Vec& pixels);
  void max_of_columns(int at);
  void load_columns(const Vec& to, const Xbyak::Reg64& row, int column, int at);
  void gather_column(const Vec& to, const Xbyak::Reg64& row, int column, int at);
  void finish_average();
  void neutral(const Vec& to);
  void maximum(const Vec& to, const Vec& x);
  bool sums_fit_words() const { return averaging_ && !s_.f32 && s_.kh * s_.kw <= 257; }  // 257 * 255 = 65535
  bool unrolled() const { return !averaging_ && s_.kh <= kUnrolledRows; }
  std::vector<ColumnLoad> column_loads() const;

  Assembler& a_;
  const PoolSpec& s_;
  PixelPairs pairs_;
  bool averaging_;
  Gp planes_ = a_.gp("plane index"), table_ = a_.gp("row table");
  Gp src_ = a_.gp("src"), dst_ = a_.gp("dst");
  Gp x_src_ = a_.gp("x src"), x_dst_ = a_.gp("x dst");
  std::vector<Gp> rows_;  // unrolled: one for each tap; else the current row and the number of taps
  std::vector<Gp> factors_;
  std::vector<Vec> sum_;   // max and f32: one; average u8: words of half the pixels each, or four groups of dwords
  std::vector<Vec> zero_;  // average u8 in words
  std::vector<Vec> gather_index_;
  std::vector<QuadRounding> rounding_;
  Vec pad_ = a_.vec("pad");
};

std::vector<ColumnLoad> Pool::column_loads() const {
  std::vector<ColumnLoad> loads;
  for (int j = 0; j < s_.kw; ++j) {
    int column = j * s_.dilation_w - s_.pad_left;
    if (s_.stride_w == 2) {
      auto earlier =
          std::find_if(loads.begin(), loads.end(), [&](const ColumnLoad& l) { return l.column == column - 1; });
      if (earlier != loads.end() && !earlier->odd) {
        earlier->odd = true;
        continue;
      }
    }
    loads.push_back({column, true, false});
  }
  return loads;
}

void Pool::generate() {
  for (int i = 0; i < (unrolled() ? s_.kh : 2); ++i) rows_.push_back(a_.gp(cat("tap row", i)));
  if (averaging_) factors_.push_back(a_.gp("factors"));
  sum_ = a_.vecs("sum", !averaging_ || s_.f32 ? 1 : sums_fit_words() ? 2 : kGroups);
  if (sums_fit_words()) {
    zero_.push_back(a_.vec("zero"));
    a_.zero(zero_[0]);
  }
  if (averaging_ && !s_.f32) {
    auto field = [&](size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; };
    rounding_.emplace_back(a_, field(offsetof(PoolArgs, v_lo)), field(offsetof(PoolArgs, v_hi)),
                           field(offsetof(PoolArgs, out_zero)));
  }
  if (s_.stride_w > 2) {
    std::vector<uint32_t> index;
    for (int i = 0; i < a_.lanes(); ++i) index.push_back(static_cast<uint32_t>(i * s_.stride_w * kPixelBytes));
    gather_index_.push_back(a_.vec("gather index"));
    a_.load(gather_index_[0], a_.constant_vector(index));
  }
  a_.xor_(planes_, planes_);
  for_planes(a_, offsetof(PoolArgs, planes), [&] {
    plane();
    a_.inc(planes_);
  });
}

void Pool::plane() {
  using Xbyak::util::ptr;
  a_.load_arg(src_, offsetof(PoolArgs, src_planes));
  a_.mov(src_, ptr[src_ + planes_ * 8]);
  a_.add(src_, ptr[a_.args() + offsetof(PoolArgs, src)]);
  a_.load_arg(dst_, offsetof(PoolArgs, dst_pad));
  a_.vpbroadcastd(pad_, ptr[dst_ + planes_ * 4]);
  a_.load_arg(dst_, offsetof(PoolArgs, dst_planes));
  a_.mov(dst_, ptr[dst_ + planes_ * 8]);
  a_.add(dst_, ptr[a_.args() + offsetof(PoolArgs, dst)]);
  a_.load_arg(table_, offsetof(PoolArgs, rows));
  Gp count = a_.gp("rows");
  a_.load_arg(count, offsetof(PoolArgs, row_count));
  a_.loop(count, [&] {
    row();
    a_.add(table_, sizeof(PoolRow));
    a_.add(dst_, ptr[a_.args() + offsetof(PoolArgs, dst_row_bytes)]);
  });
}

void Pool::row() {
  using Xbyak::util::ptr;
  if (unrolled()) {
    // Row i is the last one there is when the table has fewer: a maximum does not mind seeing a row twice.
    a_.mov(rows_[0], ptr[table_ + offsetof(PoolRow, src)]);
    a_.add(rows_[0], src_);
    for (size_t i = 1; i < rows_.size(); ++i) {
      a_.mov(rows_[i], rows_[i - 1]);
      a_.mov(x_src_, rows_[i - 1]);
      a_.add(x_src_, ptr[a_.args() + offsetof(PoolArgs, tap_row_bytes)]);
      a_.cmp(a_.dword[table_ + offsetof(PoolRow, taps)], static_cast<int>(i));
      a_.cmovg(rows_[i], x_src_);
    }
  }
  if (averaging_) {
    a_.movsxd(factors_[0], a_.dword[table_ + offsetof(PoolRow, factors)]);
    a_.add(factors_[0], ptr[a_.args() + offsetof(PoolArgs, factors)]);
  }
  a_.xor_(x_src_, x_src_);
  a_.xor_(x_dst_, x_dst_);
  std::vector<Advance> advance = {{x_src_, a_.vector_bytes() * s_.stride_w}, {x_dst_, a_.vector_bytes()}};
  if (averaging_) advance.push_back({factors_[0], a_.vector_bytes()});
  // The loop's vectors load nothing outside the source row: first <= stride * at, and last below src_w.
  auto loads = column_loads();
  int first = 0, last = 0;
  for (const ColumnLoad& l : loads) {
    first = std::max(first, (-l.column + s_.stride_w - 1) / s_.stride_w);
    last = std::max(last, l.column + (s_.stride_w == 2 ? 1 : 0));
  }
  // Result pixel x needs stride * x + last < src_w.
  int end = (s_.src_w - last - 1 + s_.stride_w) / s_.stride_w;
  walk_row(a_, s_.dst, a_.lanes(), first, std::max(end, 0), advance, [&](int at) { vector(at); });
}

void Pool::vector(int at) {
  if (at != kAnywhere && at >= s_.dst.w) {  // padding only
    a_.copy(sum_[0], pad_);
    return store_row(a_, a_.ptr[dst_ + x_dst_], sum_[0], pad_, at, s_.dst);
  }
  if (unrolled()) {
    max_of_columns(at);
  } else {
    for (const Vec& v : sum_) neutral(v);
    a_.mov(rows_[0], a_.ptr[table_ + offsetof(PoolRow, src)]);
    a_.add(rows_[0], src_);
    a_.movsxd(rows_[1], a_.dword[table_ + offsetof(PoolRow, taps)]);
    a_.loop(rows_[1], [&] {
      taps_of_row(rows_[0], at);
      a_.add(rows_[0], a_.ptr[a_.args() + offsetof(PoolArgs, tap_row_bytes)]);
    });
  }
  if (averaging_) finish_average();
  store_row(a_, a_.ptr[dst_ + x_dst_], sum_[0], pad_, at, s_.dst);
}

// Loads lanes() source pixels from `column` on; those outside the image become the neutral value. What has no pixel
// inside is not loaded, so a load never reaches further than a register behind a row's end.
void Pool::load_columns(const Vec& to, const Xbyak::Reg64& row, int column, int at) {
  int first = at * s_.stride_w + column;
  uint32_t all = lane_bits(a_, 0, a_.lanes());
  uint32_t inside = at == kAnywhere ? all : lane_bits(a_, -first, s_.src_w - first);
  if (inside == 0) return neutral(to);
  a_.load(to, a_.ptr[row + x_src_ + column * kPixelBytes]);
  if (inside == all) return;
  a_.bit_and(to, to, a_.constant_vector(lane_dwords(a_, inside)));
  if (averaging_ || !s_.f32) return;
  std::vector<uint32_t> minus_infinity = lane_dwords(a_, inside);
  for (uint32_t& d : minus_infinity) d = d ? 0 : kMinusInfinity;
  a_.bit_or(to, to, a_.constant_vector(minus_infinity));
}

void Pool::gather_column(const Vec& to, const Xbyak::Reg64& row, int column, int at) {
  uint32_t inside = 0;
  for (int lane = 0; lane < a_.lanes(); ++lane) {
    int source = (at + lane) * s_.stride_w + column;
    if (at == kAnywhere || (source >= 0 && source < s_.src_w && at + lane < s_.dst.w)) inside |= 1u << lane;
  }
  Gp base = a_.gp("gather base");
  a_.lea(base, a_.ptr[row + x_src_]);
  if (s_.f32 && !averaging_) {
    Vec lowest = a_.vec("-inf");
    neutral(lowest);
    return gather(a_, to, base, column * kPixelBytes, gather_index_[0], inside, &lowest);
  }
  gather(a_, to, base, column * kPixelBytes, gather_index_[0], inside);
}

void Pool::neutral(const Vec& to) {
  if (s_.f32 && !averaging_)
    a_.vbroadcastss(to, a_.constant_dword(kMinusInfinity));
  else
    a_.zero(to);
}

void Pool::maximum(const Vec& to, const Vec& x) { s_.f32 ? a_.vmaxps(to, to, x) : a_.vpmaxub(to, to, x); }

// Max with the row pointers in registers: over the rows first, then over the columns.
void Pool::max_of_columns(int at) {
  Vec low = a_.vec("low"), high = a_.vec("high"), pixels = a_.vec("pixels");
  bool started = false;
  auto merge = [&](const Vec& v) {
    started ? maximum(sum_[0], v) : a_.copy(sum_[0], v);
    started = true;
  };
  auto over_rows = [&](const Vec& to, int column) {
    for (size_t i = 0; i < rows_.size(); ++i) {
      const Vec& v = i == 0 ? to : pixels;
      s_.stride_w > 2 ? gather_column(v, rows_[i], column, at) : load_columns(v, rows_[i], column, at);
      if (i > 0) maximum(to, v);
    }
  };
  for (const ColumnLoad& l : column_loads()) {
    over_rows(low, l.column);
    if (s_.stride_w != 2) {
      merge(low);
      continue;
    }
    over_rows(high, l.column + a_.lanes());
    pairs_.even(pixels, low, high);
    merge(pixels);
    if (!l.odd) continue;
    pairs_.odd(pixels, low, high);
    merge(pixels);
  }
  if (s_.stride_w == 2) pairs_.in_order(sum_[0]);
}

// The taps of one source row into sum_.
void Pool::taps_of_row(const Xbyak::Reg64& row, int at) {
  Vec low = a_.vec("low"), high = a_.vec("high"), pixels = a_.vec("pixels");
  for (const ColumnLoad& l : column_loads()) {
    if (s_.stride_w > 2) {
      gather_column(pixels, row, l.column, at);
      tap(pixels);
      continue;
    }
    load_columns(low, row, l.column, at);
    if (s_.stride_w == 1) {
      tap(low);
      continue;
    }
    load_columns(high, row, l.column + a_.lanes(), at);
    pairs_.even(pixels, low, high);
    pairs_.in_order(pixels);
    tap(pixels);
    if (!l.odd) continue;
    pairs_.odd(pixels, low, high);
    pairs_.in_order(pixels);
    tap(pixels);
  }
}

void Pool::tap(const Vec& pixels) {
  if (!averaging_) return maximum(sum_[0], pixels);
  if (s_.f32) return a_.vaddps(sum_[0], sum_[0], pixels);
  Vec group = a_.vec("group");
  if (sums_fit_words()) {
    a_.vpunpcklbw(group, pixels, zero_[0]);
    a_.vpaddw(sum_[0], sum_[0], group);
    a_.vpunpckhbw(group, pixels, zero_[0]);
    a_.vpaddw(sum_[1], sum_[1], group);
    return;
  }
  for (int k = 0; k < kGroups; ++k) {
    expand_quads(a_, group, pixels, k);
    a_.vpaddd(sum_[static_cast<size_t>(k)], sum_[static_cast<size_t>(k)], group);
  }
}

void Pool::finish_average() {
  if (s_.f32) return a_.vdivps(sum_[0], sum_[0], a_.ptr[factors_[0]]);
  int bias = (s_.dst.w + kVectorPixels - 1) / kVectorPixels * kVectorPixels * static_cast<int>(sizeof(float));
  Vec factor = a_.vec("factor"), offset = a_.vec("bias"), value = a_.vec("of group");
  a_.load(factor, a_.ptr[factors_[0]]);
  a_.load(offset, a_.ptr[factors_[0] + bias]);
  std::vector<Vec> widened;
  if (sums_fit_words()) {
    widened = a_.vecs("group", kGroups);
    for (size_t half = 0; half < 2; ++half) {
      a_.vpunpcklwd(widened[2 * half], sum_[half], zero_[0]);
      a_.vpunpckhwd(widened[2 * half + 1], sum_[half], zero_[0]);
    }
  }
  const std::vector<Vec>& groups = sums_fit_words() ? widened : sum_;
  for (int k = 0; k < kGroups; ++k) {
    const Vec& v = groups[static_cast<size_t>(k)];
    spread_pixel_value(a_, value, offset, k);
    a_.vpaddd(v, v, value);
    a_.vcvtdq2ps(v, v);
    spread_pixel_value(a_, value, factor, k);
    a_.vmulps(v, v, value);
  }
  rounding_[0].finish(groups);
  a_.copy(sum_[0], groups[0]);
}

}  // namespace

std::string describe(const PoolSpec& s) {
  return cat(s.op == PoolOp::max ? "max" : "average", "_pool_", s.f32 ? "f32" : "u8", " k", s.kh, "x", s.kw, " s",
             s.stride_h, "x", s.stride_w, " d", s.dilation_h, "x", s.dilation_w, " p", s.pad_top, ",", s.pad_left, " ",
             s.src_h, "x", s.src_w, "->", s.dst_h, "x", s.dst.w, " gap", s.dst.gap, " ", to_string(s.isa));
}

Result<MachineCode> generate(const PoolSpec& s, const GenerateOptions& options) {
  if (s.kh < 1 || s.kw < 1 || s.stride_h < 1 || s.stride_w < 1 || s.dilation_h < 1 || s.dilation_w < 1 ||
      s.pad_top < 0 || s.pad_left < 0 || s.src_h < 1 || s.src_w < 1 || s.dst_h < 1 || s.dst.w < 1 || s.dst.gap < 0)
    return invalid_argument(describe(s), ": extent out of range");
  if (s.op == PoolOp::max && has_empty_window(s)) return unsupported(describe(s), ": a window without a pixel");
  return assemble(describe(s), s.isa, options, [&](Assembler& a) { Pool(a, s).generate(); });
}

}  // namespace quadlane
