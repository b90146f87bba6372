// Resampling by tables of columns and weights.
//
//   nearest:  dst[x] = first_row[first[x]]
//   linear:   a, b = first_row[first[x]], first_row[second[x]];  c, d of the second row
//     u8:   S = (2048 - fy) * ((2048 - fx) * a + fx * b) + fy * ((2048 - fx) * c + fx * d)
//           y = (S + 2^21 - 1 + (S >> 22 & 1)) >> 22                                     (half to even; S < 2^30)
//     f32:  y = wy0 * (wx0 * a + wx1 * b) + wy1 * (wx0 * c + wx1 * d)
//
// Tile: one register of result pixels; whole pixels are gathered. u8 goes on in four groups of dwords: a and b become
// the halves of a dword, so that one vpmaddwd with the column's pair of weights makes the horizontal sum.
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
      make(result);
    store_row(a_, a_.ptr[r_.dst + r_.x_dst], result, r_.pad, at, s_.dst);
  }

 protected:
  virtual void make(const Vec& result) = 0;
  Xbyak::Address list(int number) { return a_.ptr[r_.columns + number * list_bytes_]; }
  // The table's entries behind w are 0: every lane reads something.
  void gather_row(const Vec& to, const Gp& row, const Vec& index) {
    gather(a_, to, row, 0, index, lane_bits(a_, 0, a_.lanes()));
  }

  Assembler& a_;
  const ResampleSpec& s_;
  ResampleRegisters r_;
  int list_bytes_;
};

class NearestTable final : public TableBody {
 public:
  using TableBody::TableBody;

 private:
  void make(const Vec& result) override {
    Vec index = a_.vec("index");
    a_.load(index, list(0));
    gather_row(result, r_.first, index);
  }
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
    Vec lower = a_.vec("second row");
    horizontal(result, r_.first);
    horizontal(lower, r_.second);
    a_.vmulps(result, result, w_first_);
    a_.vmulps(lower, lower, w_second_);
    a_.vaddps(result, result, lower);
  }
  void horizontal(const Vec& to, const Gp& row) {
    Vec index = a_.vec("index"), right = a_.vec("right");
    a_.load(index, list(0));
    gather_row(to, row, index);
    a_.load(index, list(1));
    gather_row(right, row, index);
    a_.vmulps(to, to, list(2));
    a_.vmulps(right, right, list(3));
    a_.vaddps(to, to, right);
  }
  Vec w_first_ = a_.vec("w_first"), w_second_ = a_.vec("w_second");
};

class LinearU8 final : public TableBody {
 public:
  using TableBody::TableBody;
  void begin_row() override {
    a_.vpbroadcastd(w_first_, a_.ptr[r_.entry + offsetof(ResampleRow, w_first)]);
    a_.vpbroadcastd(w_second_, a_.ptr[r_.entry + offsetof(ResampleRow, w_second)]);
  }

 private:
  void make(const Vec& result) override {
    std::vector<Vec> taps = a_.vecs("tap", 4), groups = a_.vecs("group", kGroups);
    gather_taps(taps);
    for (int k = 0; k < kGroups; ++k) {
      const Vec& sum = groups[static_cast<size_t>(k)];
      Vec lower = a_.vec("second row");
      horizontal(sum, taps[0], taps[1], k);
      horizontal(lower, taps[2], taps[3], k);
      a_.vpmulld(sum, sum, w_first_);
      a_.vpmulld(lower, lower, w_second_);
      a_.vpaddd(sum, sum, lower);
      round(sum, lower);
    }
    pack_quads(a_, groups);
    a_.copy(result, groups[0]);
  }
  void gather_taps(const std::vector<Vec>& taps) {
    Vec index = a_.vec("index");
    for (int column = 0; column < 2; ++column) {
      a_.load(index, list(column));
      gather_row(taps[static_cast<size_t>(column)], r_.first, index);
      gather_row(taps[static_cast<size_t>(column) + 2], r_.second, index);
    }
  }
  // to = (2048 - fx) * left + fx * right, for the channels of group k.
  void horizontal(const Vec& to, const Vec& left, const Vec& right, int k) {
    Vec other = a_.vec("right");
    expand_quads(a_, to, left, k);
    std::vector<uint32_t> upper_half;
    for (uint32_t c = 0; c < 4; ++c) upper_half.push_back(0x80008080u | (static_cast<uint32_t>(k) * 4 + c) << 16);
    a_.vpshufb(other, right, a_.constant_vector(upper_half));
    a_.bit_or(to, to, other);
    a_.load(other, list(2));
    spread_pixel_value(a_, other, other, k);
    a_.vpmaddwd(to, to, other);
  }
  void round(const Vec& sum, const Vec& scratch) {
    a_.vpsrld(scratch, sum, 22);
    a_.bit_and(scratch, scratch, a_.constant_lanes(1));
    a_.vpaddd(sum, sum, scratch);
    a_.vpaddd(sum, sum, a_.constant_lanes((1u << 21) - 1));
    a_.vpsrld(sum, sum, 22);
  }
  Vec w_first_ = a_.vec("w_first"), w_second_ = a_.vec("w_second");
};

}  // namespace

std::unique_ptr<ResampleBody> make_resample_table(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r) {
  if (s.kind == ResampleKind::nearest) return std::make_unique<NearestTable>(a, s, r);
  if (s.f32) return std::make_unique<LinearF32>(a, s, r);
  return std::make_unique<LinearU8>(a, s, r);
}

}  // namespace quadlane
