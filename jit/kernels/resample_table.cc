// Resampling by tables of columns and weights.
//
//   nearest:  dst[x] = first_row[first[x]]
//   linear:   a, b = first_row[first[x]], first_row[second[x]];  c, d of the second row
//     u8:   S = (2048 - fy) * ((2048 - fx) * a + fx * b) + fy * ((2048 - fx) * c + fx * d)
//           y = (S + 2^21 - 1 + (S >> 22 & 1)) >> 22                                     (half to even; S < 2^30)
//     f32:  y = wy0 * (wx0 * a + wx1 * b) + wy1 * (wx0 * c + wx1 * d)
//
// Tile: one register of result pixels; whole pixels are gathered, or permuted out of a window. u8 goes on in four
// groups of dwords: a and b become the halves of a dword, so that one vpmaddwd with the column's pair of weights makes
// the horizontal sum.
#include "jit/kernels/quads.h"
#include "jit/kernels/resample_bodies.h"

namespace quadlane {
namespace {

class TableBody : public ResampleBody {
 public:
  TableBody(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r)
      : a_(a), s_(s), r_(r), list_bytes_((s.dst.w + kVectorPixels - 1) / kVectorPixels * kVectorPixels * kPixelBytes) {}

  void step(int at) override {
    Vec result = a_.vec("result");
    if (at != kAnywhere && at >= s_.dst.w)
      a_.copy(result, r_.pad);
    else
      make_in_window(result);
    store_row(a_, a_.ptr[r_.dst + r_.x_dst], result, r_.pad, at, s_.dst,
              s_.kind == ResampleKind::nearest ? RowStore::halves : RowStore::whole);
  }

 protected:
  virtual void make(const Vec& result) = 0;
  void make_in_window(const Vec& result) {
    if (one_window()) a_.movsxd(window_, a_.dword[r_.columns + first_window() * list_bytes_]);
    make(result);
  }
  Xbyak::Address list(int number) { return a_.ptr[r_.columns + number * list_bytes_]; }
  int first_window() const { return s_.kind == ResampleKind::nearest ? 1 : s_.f32 ? 4 : 3; }
  bool one_window() const { return a_.avx512() && s_.windows != ResampleWindows::none; }
  // to = the row's pixels at first[x] (column 0) or second[x] (column 1). The table's entries behind w are 0: every
  // lane reads something.
  void fetch(const Vec& to, const Gp& row, int column) {
    if (s_.windows == ResampleWindows::none) {
      Vec index = a_.vec("index");
      a_.load(index, list(column));
      return gather(a_, to, row, 0, index, lane_bits(a_, 0, a_.lanes()));
    }
    if (one_window()) {
      Vec index = a_.vec("index");
      a_.load(index, list(column));
      if (s_.windows == ResampleWindows::narrow) return a_.vpermd(to.zmm(), index.zmm(), pixels(row, 0));
      a_.load(to, pixels(row, 0));
      return a_.vpermt2d(to, index, pixels(row, 1));
    }
    a_.movsxd(window_, a_.dword[r_.columns + (first_window() + column) * list_bytes_]);
    a_.load(to, list(column));
    a_.vpermd(to.ymm(), to.ymm(), pixels(row, 0));
  }
  Xbyak::Address pixels(const Gp& row, int part) { return a_.ptr[row + window_ + part * a_.vector_bytes()]; }

  Assembler& a_;
  const ResampleSpec& s_;
  ResampleRegisters r_;
  int list_bytes_;
  Gp window_ = a_.gp("window");  // where it begins, in bytes
};

class NearestTable final : public TableBody {
 public:
  using TableBody::TableBody;

 private:
  void make(const Vec& result) override { fetch(result, r_.first, 0); }
};

class LinearF32 final : public TableBody {
 public:
  using TableBody::TableBody;
  void begin_row() override {
    a_.vbroadcastss(w_first_, a_.ptr[r_.entry + offsetof(ResampleRow, w_first)]);
    a_.vbroadcastss(w_second_, a_.ptr[r_.entry + offsetof(ResampleRow, w_second)]);
  }

 private:
  void make(const Vec& result) override {
    if (one_window()) return rows_first(result);
    Vec lower = a_.vec("second row");
    horizontal(result, r_.first);
    horizontal(lower, r_.second);
    a_.vmulps(result, result, w_first_);
    a_.vmulps(lower, lower, w_second_);
    a_.vaddps(result, result, lower);
  }
  // The window's pixels of both rows are weighted before they are spread.
  void rows_first(const Vec& result) {
    const int parts = s_.windows == ResampleWindows::wide ? 2 : 1;
    std::vector<Vec> weighted = a_.vecs("weighted rows", parts);
    for (int i = 0; i < parts; ++i) {
      const Vec& v = weighted[static_cast<size_t>(i)];
      a_.vmulps(v, w_first_, pixels(r_.first, i));
      a_.vfmadd231ps(v, w_second_, pixels(r_.second, i));
    }
    Vec right = a_.vec("right"), index = a_.vec("index");
    for (int column = 0; column < 2; ++column) {
      const Vec& to = column == 0 ? result : right;
      a_.load(index, list(column));
      if (parts == 1) {
        a_.vpermd(to.zmm(), index.zmm(), weighted[0].zmm());
        continue;
      }
      a_.copy(to, weighted[0]);
      a_.vpermt2d(to, index, weighted[1]);
    }
    a_.vmulps(result, result, list(2));
    a_.vfmadd231ps(result, right, list(3));
  }
  void horizontal(const Vec& to, const Gp& row) {
    Vec right = a_.vec("right");
    fetch(to, row, 0);
    fetch(right, row, 1);
    a_.vmulps(to, to, list(2));
    a_.vmulps(right, right, list(3));
    a_.vaddps(to, to, right);
  }
  Vec w_first_ = a_.vec("w_first"), w_second_ = a_.vec("w_second");
};

class LinearU8 final : public TableBody {
 public:
  using TableBody::TableBody;
  void load_constants() override {
    a_.zero(zero_);
    if (!a_.avx512()) return;
    half_ = a_.vecs("half", 2);
    a_.vpbroadcastd(half_[0], a_.constant_dword((1u << 21) - 1));
    a_.vpbroadcastd(half_[1], a_.constant_dword(1));
  }
  void begin_row() override {
    a_.vpbroadcastd(w_first_, a_.ptr[r_.entry + offsetof(ResampleRow, w_first)]);
    a_.vpbroadcastd(w_second_, a_.ptr[r_.entry + offsetof(ResampleRow, w_second)]);
  }

 private:
  void make(const Vec& result) override {
    std::vector<Vec> upper = a_.vecs("first row", kGroups), lower = a_.vecs("second row", kGroups);
    fetch_pairs(upper, r_.first);
    fetch_pairs(lower, r_.second);
    for (size_t k = 0; k < kGroups; ++k) {
      Vec weights = a_.vec("weights");
      a_.vpshufd(weights, list(2), static_cast<uint8_t>(k * 0x55));  // pixel k's pair for its four channels
      a_.vpmaddwd(upper[k], upper[k], weights);
      a_.vpmaddwd(lower[k], lower[k], weights);
      a_.vpmulld(upper[k], upper[k], w_first_);
      a_.vpmulld(lower[k], lower[k], w_second_);
      a_.vpaddd(upper[k], upper[k], lower[k]);
      round(upper[k], weights);
    }
    pack_quads(a_, upper);
    a_.copy(result, upper[0]);
  }
  // groups[k] = words a, b of pixel k's channels: the bytes of both pixels side by side, then widened.
  void fetch_pairs(const std::vector<Vec>& groups, const Gp& row) {
    fetch(groups[1], row, 0);
    fetch(groups[3], row, 1);
    a_.vpunpcklbw(groups[0], groups[1], groups[3]);
    a_.vpunpckhbw(groups[2], groups[1], groups[3]);
    for (size_t k : {0, 2}) {
      a_.vpunpckhbw(groups[k + 1], groups[k], zero_);
      a_.vpunpcklbw(groups[k], groups[k], zero_);
    }
  }
  void round(const Vec& sum, const Vec& scratch) {
    if (a_.avx512()) {
      Mask odd = a_.mask("odd");
      a_.vptestmd(odd.k(), sum, a_.constant_lanes(1u << 22));
      a_.vpaddd(sum, sum, half_[0]);
      a_.vpaddd(sum | odd.k(), sum, half_[1]);
      return a_.vpsrld(sum, sum, 22);
    }
    a_.vpsrld(scratch, sum, 22);
    a_.bit_and(scratch, scratch, a_.constant_lanes(1));
    a_.vpaddd(sum, sum, scratch);
    a_.vpaddd(sum, sum, a_.constant_lanes((1u << 21) - 1));
    a_.vpsrld(sum, sum, 22);
  }
  Vec w_first_ = a_.vec("w_first"), w_second_ = a_.vec("w_second"), zero_ = a_.vec("zero");
  std::vector<Vec> half_;  // AVX-512: one less than half, and the one that a tie of an odd result lacks
};

}  // namespace

std::unique_ptr<ResampleBody> make_resample_table(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r) {
  if (s.kind == ResampleKind::nearest) return std::make_unique<NearestTable>(a, s, r);
  if (s.f32) return std::make_unique<LinearF32>(a, s, r);
  return std::make_unique<LinearU8>(a, s, r);
}

}  // namespace quadlane
