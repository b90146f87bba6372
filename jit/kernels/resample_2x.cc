// Doubling the columns. One register of source pixels makes two of result pixels.
//
//   nearest:  dst[2x] = dst[2x + 1] = src[x]
//   linear:   V[x] = the two rows, weighted;  dst[2x] = (V[x - 1] + 3 V[x]) / 4,  dst[2x + 1] = (3 V[x] + V[x + 1]) / 4
//
// u8: row weights are quarters too, so V = 4 * value <= 1020 and S = 4 * sum <= 4080 fit 16 bits and
// y = (S + 7 + (S >> 4 & 1)) >> 4 is exact, half to even. Words of a register: pixels 0 1 | 4 5 .. in one half
// register, pixels 2 3 | 6 7 .. in the other; packing the two restores the order. V[x - 1] and V[x + 1] are the same
// work on loads one pixel to the side; at the row's ends those loads become a permutation that repeats the last pixel.
#include <algorithm>

#include "jit/kernels/resample_bodies.h"

namespace quadlane {
namespace {

class DoubleBody : public ResampleBody {
 public:
  DoubleBody(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r) : a_(a), s_(s), r_(r) {}

 protected:
  // Pixels x + shift of a row; shift is -1, 0 or 1, and columns outside the image are those at its ends.
  void load_shifted(const Vec& to, const Gp& row, int shift, int at) {
    auto here = [&](int pixels) { return a_.ptr[row + r_.x_src + pixels * kPixelBytes]; };
    int x = at / 2, last = s_.src_w - 1 - x;
    bool clamp_left = at == 0 && shift < 0, clamp_right = at != kAnywhere && shift > 0 && last < a_.lanes();
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
  // Weights of 2048ths become quarters: two bytes, repeated.
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
  }
  void step(int at) override {
    std::vector<Vec> near = a_.vecs("near", 2), even = a_.vecs("even", 2), odd = a_.vecs("odd", 2);
    vertical(near, 0, at);
    vertical(even, -1, at);
    vertical(odd, 1, at);
    for (size_t half = 0; half < 2; ++half) {
      a_.vpaddw(even[half], even[half], near[half]);
      a_.vpaddw(odd[half], odd[half], near[half]);
      a_.vpaddw(near[half], near[half], near[half]);
      a_.vpaddw(even[half], even[half], near[half]);
      a_.vpaddw(odd[half], odd[half], near[half]);
      round(even[half]);
      round(odd[half]);
    }
    a_.vpackuswb(even[0], even[0], even[1]);
    a_.vpackuswb(odd[0], odd[0], odd[1]);
    interleave_pixels(a_, near[0], near[1], even[0], odd[0]);
    store(near[0], near[1], at);
  }

 private:
  void vertical(const std::vector<Vec>& to, int shift, int at) {
    Vec upper = a_.vec("first row"), lower = a_.vec("second row");
    load_shifted(upper, r_.first, shift, at);
    load_shifted(lower, r_.second, shift, at);
    a_.vpunpcklbw(to[0], upper, lower);
    a_.vpunpckhbw(to[1], upper, lower);
    for (const Vec& v : to) a_.vpmaddubsw(v, v, quarters_);  // at most 4 * 255
  }
  void round(const Vec& sum) {
    Vec odd = a_.vec("odd quotient");
    a_.vpsrlw(odd, sum, 4);
    a_.bit_and(odd, odd, one_);
    a_.vpaddw(sum, sum, seven_);
    a_.vpaddw(sum, sum, odd);
    a_.vpsrlw(sum, sum, 4);
  }
  Vec quarters_ = a_.vec("row weights"), one_ = a_.vec("ones"), seven_ = a_.vec("sevens");
};

}  // namespace

std::unique_ptr<ResampleBody> make_resample_2x(Assembler& a, const ResampleSpec& s, const ResampleRegisters& r) {
  if (s.kind == ResampleKind::nearest_2x) return std::make_unique<Nearest2x>(a, s, r);
  if (s.f32) return std::make_unique<Linear2xF32>(a, s, r);
  return std::make_unique<Linear2xU8>(a, s, r);
}

}  // namespace quadlane
