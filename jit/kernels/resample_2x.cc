// Doubling the columns. One register of source pixels makes two of result pixels.
//
//   nearest:  dst[2x] = dst[2x + 1] = src[x]
//   linear:   V[x] = the two rows, weighted;  dst[2x] = (V[x - 1] + 3 V[x]) / 4,  dst[2x + 1] = (3 V[x] + V[x + 1]) / 4
//
// u8: row weights are quarters too, so V = 4 * value <= 1020 and S = 4 * sum <= 4080 fit 16 bits. With U = S + 7,
// y = (U + (U >> 4 & 1)) >> 4 is S / 16, half to even (where bit 4 of U is not that of S, adding it carries nothing).
// The words of a 128-bit lane are two pixels:
//
//   low  = V of 0 1 | 4 5 ..    high  = V of 2 3 | 6 7 ..     3 * both + their neighbours:
//   even: before = -1 0 | 3 4   middle = 1 2 | 5 6            odd: middle = 1 2 | 5 6    after = 3 4 | 7 8
//
// so `before` and `after` are the low halves of loads 1 to the left and 3 to the right, and `middle` is cut out of low
// and high. At the row's ends those loads become a permutation that repeats the last pixel.
//
// AVX-512 keeps V of the registers before and behind while it walks a row: neighbours are one valign, and every source
// pixel is weighted once.
#include <algorithm>

#include "jit/kernels/resample_bodies.h"

namespace quadlane {
namespace {

class DoubleBody : public ResampleBody {
 public:
  DoubleBody(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r) : a_(a), s_(s), r_(r) {}

 protected:
  // Pixels x + shift of a row; columns outside the image are those at its ends. Only pixels up to x + lanes() count.
  void load_shifted(const Vec& to, const Gp& row, int shift, int at) {
    auto here = [&](int pixels) { return a_.ptr[row + r_.x_src + pixels * kPixelBytes]; };
    int x = at / 2, last = s_.src_w - 1 - x;
    bool clamp_left = at == 0 && shift < 0, clamp_right = at != kAnywhere && shift >= 0 && last < a_.lanes();
    if (!clamp_left && !clamp_right) return a_.load(to, here(shift));
    std::vector<uint32_t> lanes;
    for (int i = 0; i < a_.lanes(); ++i)
      lanes.push_back(static_cast<uint32_t>(std::clamp(i + shift, 0, std::max(last, 0))));
    a_.load(to, a_.constant_vector(lanes));
    a_.avx512() ? a_.vpermd(to.zmm(), to.zmm(), here(0)) : a_.vpermd(to.ymm(), to.ymm(), here(0));
  }
  void store(const Vec& low, const Vec& high, int at) {
    const RowStore how = s_.kind == ResampleKind::nearest_2x ? RowStore::halves : RowStore::whole;
    store_row(a_, a_.ptr[r_.dst + r_.x_dst], low, r_.pad, at, s_.dst, how);
    store_row(a_, a_.ptr[r_.dst + r_.x_dst + a_.vector_bytes()], high, r_.pad, at == kAnywhere ? at : at + a_.lanes(),
              s_.dst, how);
  }

  Assembler& a_;
  const ResampleSpec& s_;
  ResampleRegisters r_;
};

class Nearest2x final : public DoubleBody {
 public:
  using DoubleBody::DoubleBody;
  void load_constants() override {
    for (uint32_t half = 0; half < 2; ++half) {
      std::vector<uint32_t> lanes;
      for (uint32_t i = 0; i < static_cast<uint32_t>(a_.lanes()); ++i)
        lanes.push_back((i + half * static_cast<uint32_t>(a_.lanes())) / 2);
      a_.load(half_[half], a_.constant_vector(lanes));
    }
  }
  void step(int at) override {
    Vec src = a_.vec("src"), low = a_.vec("low"), high = a_.vec("high");
    a_.load(src, a_.ptr[r_.first + r_.x_src]);
    permute(low, half_[0], src);
    permute(high, half_[1], src);
    store(low, high, at);
  }

 private:
  void permute(const Vec& to, const Vec& index, const Vec& from) {
    a_.avx512() ? a_.vpermd(to.zmm(), index.zmm(), from.zmm()) : a_.vpermd(to.ymm(), index.ymm(), from.ymm());
  }
  std::vector<Vec> half_ = a_.vecs("half", 2);
};

// One register behind is weighted ahead of its turn, unless the row ends before it.
class SlidingBody : public DoubleBody {
 public:
  SlidingBody(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r, int pieces)
      : DoubleBody(a, s, r),
        before_(a.vecs("before", pieces)),
        here_(a.vecs("here", pieces)),
        behind_(a.vecs("behind", pieces)),
        pixels_(kVectorPixels / pieces) {}
  void step(int at) override {
    Vec low = a_.vec("low"), high = a_.vec("high");
    if (at != kAnywhere && at >= s_.dst.w) return store(low, high, at);  // padding only
    if (at == 0) weigh_rows(here_, 0);
    if (more(at)) weigh_rows(behind_, kVectorPixels * kPixelBytes);
    double_columns(low, high, at);
    store(low, high, at);
    for (size_t i = 0; i < here_.size(); ++i) {
      a_.copy(before_[i], here_[i]);
      a_.copy(here_[i], behind_[i]);
    }
  }

 protected:
  virtual void weigh_rows(const std::vector<Vec>& to, int bytes) = 0;  // of 16 source pixels
  virtual void double_columns(const Vec& low, const Vec& high, int at) = 0;
  // Pixels one to the left and one to the right of those in here_[piece]; the last ones of the row are their own.
  void left(const Vec& to, size_t piece, int at) {
    if (at == 0 && piece == 0) return repeat(to, here_[0], -1, pixels_ - 1);
    align(to, here_[piece], piece == 0 ? before_.back() : here_[piece - 1], pixels_ - 1);
  }
  void right(const Vec& to, size_t piece, int at) {
    const int last = at == kAnywhere ? 2 * kVectorPixels : s_.src_w - 1 - at / 2 - static_cast<int>(piece) * pixels_;
    if (last < pixels_) return repeat(to, here_[piece], 1, std::max(last, 0));
    align(to, piece + 1 < here_.size() ? here_[piece + 1] : behind_[0], here_[piece], 1);
  }
  std::vector<Vec> before_, here_, behind_;

 private:
  bool more(int at) const { return at == kAnywhere || s_.src_w - at / 2 > kVectorPixels; }
  void align(const Vec& to, const Vec& high, const Vec& low, int by) {
    const auto count = static_cast<uint8_t>(by);
    pixels_ == 8 ? a_.valignq(to, high, low, count) : a_.valignd(to, high, low, count);
  }
  void repeat(const Vec& to, const Vec& from, int shift, int last) {
    std::vector<uint32_t> lanes;
    for (int i = 0; i < pixels_; ++i) {
      lanes.push_back(static_cast<uint32_t>(std::clamp(i + shift, 0, last)));
      if (pixels_ == 8) lanes.push_back(0);
    }
    a_.load(to, a_.constant_vector(lanes));
    pixels_ == 8 ? a_.vpermq(to.zmm(), to.zmm(), from.zmm()) : a_.vpermd(to.zmm(), to.zmm(), from.zmm());
  }
  int pixels_;  // in a register
};

class SlidingF32 final : public SlidingBody {
 public:
  SlidingF32(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r) : SlidingBody(a, s, r, 1) {}
  void load_constants() override {
    a_.vbroadcastss(near_, a_.constant_dword(0x3f400000));  // 0.75
    a_.vbroadcastss(far_, a_.constant_dword(0x3e800000));   // 0.25
  }
  void begin_row() override {
    a_.vbroadcastss(w_first_, a_.ptr[r_.entry + offsetof(ResampleRow, w_first)]);
    a_.vbroadcastss(w_second_, a_.ptr[r_.entry + offsetof(ResampleRow, w_second)]);
  }

 private:
  void weigh_rows(const std::vector<Vec>& to, int bytes) override {
    Vec lower = a_.vec("second row");
    a_.vmulps(to[0], w_first_, a_.ptr[r_.first + r_.x_src + bytes]);
    a_.vmulps(lower, w_second_, a_.ptr[r_.second + r_.x_src + bytes]);
    a_.vaddps(to[0], to[0], lower);
  }
  void double_columns(const Vec& low, const Vec& high, int at) override {
    Vec here = a_.vec("near"), even = a_.vec("even"), odd = a_.vec("odd");
    left(even, 0, at);
    right(odd, 0, at);
    a_.vmulps(here, here_[0], near_);
    a_.vmulps(even, even, far_);
    a_.vmulps(odd, odd, far_);
    a_.vaddps(even, even, here);
    a_.vaddps(odd, odd, here);
    interleave_pixels(a_, low, high, even, odd);
  }
  Vec near_ = a_.vec("0.75"), far_ = a_.vec("0.25");
  Vec w_first_ = a_.vec("w_first"), w_second_ = a_.vec("w_second");
};

class Linear2xF32 final : public DoubleBody {
 public:
  using DoubleBody::DoubleBody;
  void load_constants() override {
    a_.vbroadcastss(near_, a_.constant_dword(0x3f400000));  // 0.75
    a_.vbroadcastss(far_, a_.constant_dword(0x3e800000));   // 0.25
  }
  void begin_row() override {
    a_.vbroadcastss(w_first_, a_.ptr[r_.entry + offsetof(ResampleRow, w_first)]);
    a_.vbroadcastss(w_second_, a_.ptr[r_.entry + offsetof(ResampleRow, w_second)]);
  }
  void step(int at) override {
    Vec here = a_.vec("near"), even = a_.vec("even"), odd = a_.vec("odd"), low = a_.vec("low"), high = a_.vec("high");
    vertical(here, 0, at);
    vertical(even, -1, at);
    vertical(odd, 1, at);
    a_.vmulps(here, here, near_);
    a_.vmulps(even, even, far_);
    a_.vmulps(odd, odd, far_);
    a_.vaddps(even, even, here);
    a_.vaddps(odd, odd, here);
    interleave_pixels(a_, low, high, even, odd);
    store(low, high, at);
  }

 private:
  void vertical(const Vec& to, int shift, int at) {
    Vec lower = a_.vec("second row");
    load_shifted(to, r_.first, shift, at);
    load_shifted(lower, r_.second, shift, at);
    a_.vmulps(to, to, w_first_);
    a_.vmulps(lower, lower, w_second_);
    a_.vaddps(to, to, lower);
  }
  Vec near_ = a_.vec("0.75"), far_ = a_.vec("0.25");
  Vec w_first_ = a_.vec("w_first"), w_second_ = a_.vec("w_second");
};

// Row weights of 2048ths become quarters: two bytes, repeated.
void load_quarters(Assembler& a, const ResampleRegisters& r, const Vec& quarters) {
  Gp first = a.gp("w_first"), second = a.gp("w_second");
  a.mov(first.cvt32(), a.ptr[r.entry + offsetof(ResampleRow, w_first)]);
  a.mov(second.cvt32(), a.ptr[r.entry + offsetof(ResampleRow, w_second)]);
  a.shr(first.cvt32(), 9);
  a.shr(second.cvt32(), 9);
  a.shl(second.cvt32(), 8);
  a.or_(first.cvt32(), second.cvt32());
  a.vmovd(quarters.xmm(), first.cvt32());
  a.vpbroadcastw(quarters, quarters.xmm());
}

// Sixteen times as large, V' = 16 V and U' = 16 U <= 65392, y is the upper byte of U' + (U' >> 8 & 1) * 16: shifts are
// dear. Words stand in the order of pixels, 8 in a register: the rows' qwords are spread so that interleaving them puts
// them in order.
class SlidingU8 final : public SlidingBody {
 public:
  SlidingU8(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r) : SlidingBody(a, s, r, 2) {}
  void load_constants() override {
    a_.load(spread_, a_.constant_vector({0, 0, 4, 0, 1, 0, 5, 0, 2, 0, 6, 0, 3, 0, 7, 0}));
    a_.vpbroadcastd(half_, a_.constant_dword(7 * 0x00100010));
    a_.vpbroadcastd(tie_, a_.constant_dword(0x00100010));
    a_.vpbroadcastd(odd_, a_.constant_dword(0x01000100));
    a_.vpbroadcastd(upper_, a_.constant_dword(0xff00ff00));
    a_.load(order_, a_.constant_vector({0x06040200, 0x07050301, 0x0e0c0a08, 0x0f0d0b09}));
  }
  void begin_row() override {
    load_quarters(a_, r_, weights_);
    a_.vpsllw(weights_, weights_, 4);
  }

 private:
  void weigh_rows(const std::vector<Vec>& to, int bytes) override {
    Vec upper = a_.vec("first row"), lower = a_.vec("second row");
    a_.vpermq(upper.zmm(), spread_.zmm(), a_.ptr[r_.first + r_.x_src + bytes]);
    a_.vpermq(lower.zmm(), spread_.zmm(), a_.ptr[r_.second + r_.x_src + bytes]);
    a_.vpunpcklbw(to[0], upper, lower);
    a_.vpunpckhbw(to[1], upper, lower);
    for (const Vec& v : to) a_.vpmaddubsw(v, v, weights_);
  }
  void double_columns(const Vec& low, const Vec& high, int at) override {
    for (size_t piece : {0, 1}) {
      const Vec& even = piece == 0 ? low : high;
      Vec odd = a_.vec("odd"), triple = a_.vec("3 V + half");
      left(even, piece, at);
      right(odd, piece, at);
      a_.vpaddw(triple, here_[piece], here_[piece]);
      a_.vpaddw(triple, triple, here_[piece]);
      a_.vpaddw(triple, triple, half_);
      sum(even, triple);
      sum(odd, triple);
      a_.vpsrlw(even, even, 8);
      a_.vpternlogd(even, odd, upper_, 0xf8);  // even | (odd & upper)
      a_.vpshufb(even, even, order_);
    }
  }
  void sum(const Vec& v, const Vec& triple) {
    Mask odd = a_.mask("odd");
    a_.vpaddw(v, v, triple);
    a_.vptestmw(odd.k(), v, odd_);
    a_.vpaddw(v | odd.k(), v, tie_);
  }
  Vec spread_ = a_.vec("spread qwords"), weights_ = a_.vec("row weights"), order_ = a_.vec("order of bytes");
  Vec half_ = a_.vec("half"), tie_ = a_.vec("what a tie needs"), odd_ = a_.vec("bit of odd results");
  Vec upper_ = a_.vec("upper bytes");
};

class Linear2xU8 final : public DoubleBody {
 public:
  using DoubleBody::DoubleBody;
  void load_constants() override {
    a_.vpbroadcastd(one_, a_.constant_dword(0x00010001));
    a_.vpbroadcastd(seven_, a_.constant_dword(0x00070007));
  }
  void begin_row() override {
    load_quarters(a_, r_, quarters_);
    a_.vpaddb(triple_, quarters_, quarters_);  // 3 * row weights, at most 12
    a_.vpaddb(triple_, triple_, quarters_);
  }
  void step(int at) override {
    Vec low = a_.vec("low"), high = a_.vec("high"), middle = a_.vec("middle");
    Vec before = a_.vec("before"), after = a_.vec("after");
    pair_rows(low, &high, 0, at);
    pair_rows(before, nullptr, -1, at);
    pair_rows(after, nullptr, 3, at);
    a_.vpalignr(middle, high, low, 8);
    for (const Vec* v : {&middle, &before, &after}) a_.vpmaddubsw(*v, *v, quarters_);
    for (const Vec* v : {&low, &high}) {
      a_.vpmaddubsw(*v, *v, triple_);
      a_.vpaddw(*v, *v, seven_);
    }
    a_.vpaddw(before, before, low);
    a_.vpaddw(after, after, high);
    a_.vpaddw(low, low, middle);
    a_.vpaddw(middle, middle, high);
    for (const Vec* v : {&before, &middle, &low, &after}) round(*v, high);
    a_.vpackuswb(before, before, middle);  // even pixels
    a_.vpackuswb(after, low, after);       // odd ones
    interleave_pixels(a_, low, high, before, after);
    store(low, high, at);
  }

 private:
  // The two rows' bytes side by side: low halves of the 128-bit lanes, and high ones where wanted.
  void pair_rows(const Vec& low, const Vec* high, int shift, int at) {
    Vec upper = a_.vec("first row"), lower = a_.vec("second row");
    load_shifted(upper, r_.first, shift, at);
    load_shifted(lower, r_.second, shift, at);
    a_.vpunpcklbw(low, upper, lower);
    if (high) a_.vpunpckhbw(*high, upper, lower);
  }
  void round(const Vec& sum, const Vec& scratch) {
    a_.vpsrlw(scratch, sum, 4);
    a_.bit_and(scratch, scratch, one_);
    a_.vpaddw(sum, sum, scratch);
    a_.vpsrlw(sum, sum, 4);
  }
  Vec quarters_ = a_.vec("row weights"), triple_ = a_.vec("3 * row weights");
  Vec one_ = a_.vec("ones"), seven_ = a_.vec("sevens");
};

}  // namespace

std::unique_ptr<ResampleBody> make_resample_2x(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r) {
  if (s.kind == ResampleKind::nearest_2x) return std::make_unique<Nearest2x>(a, s, r);
  if (a.avx512() && s.f32) return std::make_unique<SlidingF32>(a, s, r);
  if (a.avx512()) return std::make_unique<SlidingU8>(a, s, r);
  if (s.f32) return std::make_unique<Linear2xF32>(a, s, r);
  return std::make_unique<Linear2xU8>(a, s, r);
}

}  // namespace quadlane
