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
#include <algorithm>

#include "jit/kernels/pool_walk.h"

namespace quadlane {
namespace {

constexpr int kUnrolledRows = 4;  // taps of a column whose row pointers stay in registers

// Source columns that one load (stride 2: one pair of loads) serves, relative to stride * x.
struct ColumnLoad {
  int column;
  bool even, odd;  // stride 2: taps at column and at column + 1
};

class TapPool final : public PoolWalk {
 public:
  TapPool(Assembler& a, const PoolSpec& s) : PoolWalk(a, s), pairs_(a) {}

 private:
  void load_constants() override;
  void walk() override;
  void vector(int at);
  void taps_of_row(const Xbyak::Reg64& row, int at);
  void tap(const Vec& pixels);
  void max_of_columns(int at);
  void gather_column(const Vec& to, const Xbyak::Reg64& row, int column, int at);
  void finish_average();
  bool unrolled() const { return !averaging() && s_.kh <= kUnrolledRows; }
  std::vector<ColumnLoad> column_loads() const;

  PixelPairs pairs_;
  std::vector<Vec> sum_;   // max and f32: one; average u8: words of half the pixels each, or four groups of dwords
  std::vector<Vec> zero_;  // average u8 in words
  std::vector<Vec> gather_index_;
  std::vector<QuadRounding> rounding_;
};

std::vector<ColumnLoad> TapPool::column_loads() const {
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

void TapPool::load_constants() {
  for (int i = 0; i < (unrolled() ? s_.kh : 2); ++i) rows_.push_back(a_.gp(cat("tap row", i)));
  sum_ = a_.vecs("sum", !averaging() || s_.f32 ? 1 : sums_fit_words() ? 2 : kGroups);
  if (sums_fit_words()) {
    zero_.push_back(a_.vec("zero"));
    a_.zero(zero_[0]);
  }
  if (averaging() && !s_.f32) rounding_.push_back(rounding());
  if (s_.stride_w > 2) {
    std::vector<uint32_t> index;
    for (int i = 0; i < a_.lanes(); ++i) index.push_back(static_cast<uint32_t>(i * s_.stride_w * kPixelBytes));
    gather_index_.push_back(a_.vec("gather index"));
    a_.load(gather_index_[0], a_.constant_vector(index));
  }
}

void TapPool::walk() {
  if (unrolled()) point_to_tap_rows();
  // The loop's vectors load nothing outside the source row: first <= stride * at, and last below src_w.
  auto loads = column_loads();
  int first = 0, last = 0;
  for (const ColumnLoad& l : loads) {
    first = std::max(first, (-l.column + s_.stride_w - 1) / s_.stride_w);
    last = std::max(last, l.column + (s_.stride_w == 2 ? 1 : 0));
  }
  // Result pixel x needs stride * x + last < src_w.
  int end = (s_.src_w - last - 1 + s_.stride_w) / s_.stride_w;
  walk_row(a_, s_.dst, a_.lanes(), first, std::max(end, 0), advances(), [&](int at) { vector(at); });
}

void TapPool::vector(int at) {
  if (at != kAnywhere && at >= s_.dst.w) {  // padding only
    a_.copy(sum_[0], pad_);
    return store(sum_[0], at);
  }
  if (unrolled()) {
    max_of_columns(at);
  } else {
    for (const Vec& v : sum_) neutral(v);
    for_tap_rows([&] { taps_of_row(rows_[0], at); });
  }
  if (averaging()) finish_average();
  store(sum_[0], at);
}

void TapPool::gather_column(const Vec& to, const Xbyak::Reg64& row, int column, int at) {
  uint32_t inside = 0;
  for (int lane = 0; lane < a_.lanes(); ++lane) {
    int source = (at + lane) * s_.stride_w + column;
    if (at == kAnywhere || (source >= 0 && source < s_.src_w && at + lane < s_.dst.w)) inside |= 1u << lane;
  }
  Gp base = a_.gp("gather base");
  a_.lea(base, a_.ptr[row + x_src_]);
  if (s_.f32 && !averaging()) {
    Vec lowest = a_.vec("-inf");
    neutral(lowest);
    return gather(a_, to, base, column * kPixelBytes, gather_index_[0], inside, &lowest);
  }
  gather(a_, to, base, column * kPixelBytes, gather_index_[0], inside);
}

// Max with the row pointers in registers: over the rows first, then over the columns.
void TapPool::max_of_columns(int at) {
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
void TapPool::taps_of_row(const Xbyak::Reg64& row, int at) {
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

void TapPool::tap(const Vec& pixels) {
  if (!averaging()) return maximum(sum_[0], pixels);
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

void TapPool::finish_average() {
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

std::unique_ptr<PoolWalk> make_tap_pool(Assembler& a, const PoolSpec& s) { return std::make_unique<TapPool>(a, s); }

}  // namespace quadlane
