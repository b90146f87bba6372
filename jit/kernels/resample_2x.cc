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
    store_row(a_, a_.ptr[r_.dst + r_.x_dst], low, r_.pad, at, s_.dst);
    store_row(a_, a_.ptr[r_.dst + r_.x_dst + a_.vector_bytes()], high, r_.pad, at == kAnywhere ? at : at + a_.lanes(),
              s_.dst);
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

class Linear2xU8 final : public DoubleBody {
 public:
  using DoubleBody::DoubleBody;
  void load_constants() override {
    a_.vpbroadcastd(one_, a_.constant_dword(0x00010001));
    a_.vpbroadcastd(seven_, a_.constant_dword(0x00070007));
  }
  // Weights of 2048ths become quarters: two bytes, repeated; and three times as much, at most 12.
  void begin_row() override {
    Gp first = a_.gp("w_first"), second = a_.gp("w_second");
    a_.mov(first.cvt32(), a_.ptr[r_.entry + offsetof(ResampleRow, w_first)]);
    a_.mov(second.cvt32(), a_.ptr[r_.entry + offsetof(ResampleRow, w_second)]);
    a_.shr(first.cvt32(), 9);
    a_.shr(second.cvt32(), 9);
    a_.shl(second.cvt32(), 8);
    a_.or_(first.cvt32(), second.cvt32());
    a_.vmovd(quarters_.xmm(), first.cvt32());
    a_.vpbroadcastw(quarters_, quarters_.xmm());
    a_.vpaddb(triple_, quarters_, quarters_);
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
  if (s.f32) return std::make_unique<Linear2xF32>(a, s, r);
  return std::make_unique<Linear2xU8>(a, s, r);
}

}  // namespace quadlane
