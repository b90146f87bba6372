// Elementwise kernels, flat and by rows, against QL_OPS.md's formulas pixel by pixel.
#include "jit/kernels/elementwise.h"

#include <cmath>

#include "ops/rounding.h"
#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

using Op = ElementwiseOp;
constexpr Op kU8Ops[] = {Op::copy,     Op::requantize,   Op::requantize_folded, Op::prelu_u8, Op::lut,
                         Op::lut_vbmi, Op::lut_channels, Op::lut_channels_vbmi, Op::add_u8,   Op::mul_u8};
constexpr Op kF32Ops[] = {Op::unary_f32, Op::add_f32, Op::sub_f32,   Op::mul_f32,   Op::div_f32,
                          Op::min_f32,   Op::max_f32, Op::prelu_f32, Op::affine_f32};

bool permutes(Op op) { return op == Op::lut_vbmi || op == Op::lut_channels_vbmi; }

struct Pixel {
  uint32_t bits = 0;
  static Pixel load(const std::byte* at) {
    Pixel p;
    std::memcpy(&p.bits, at, sizeof p.bits);
    return p;
  }
  int byte(int j) const { return static_cast<int>(bits >> 8 * j & 255); }
  float f32() const {
    float v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
  }
};

// The tables a trial's reference and kernel both see; `lut` is the operator's own, not the packed one.
struct Operands {
  std::vector<RequantizeChannels> requantize;
  std::vector<AffineChannel> affine;
  std::array<uint8_t, 256> lut, packed;
  std::vector<std::array<uint8_t, 256>> luts;  // of each channel
  std::vector<std::array<uint8_t, 1024>> packed_luts;
  ElementwiseScalars scalars;
  int out_lo = 0, out_hi = 255;
};

uint8_t reference_u8(Op op, const Operands& o, size_t plane, int j, int a, int b) {
  const ElementwiseScalars& s = o.scalars;
  float v = 0;
  switch (op) {
    case Op::lut:
    case Op::lut_vbmi: return o.lut[static_cast<size_t>(a)];
    case Op::lut_channels:
    case Op::lut_channels_vbmi: return o.luts[4 * plane + static_cast<size_t>(j)][static_cast<size_t>(a)];
    case Op::requantize:
    case Op::requantize_folded: {
      const RequantizeChannels& c = o.requantize[plane];
      float scaled = (static_cast<float>(a) - c.in_zero[j]) * c.mult[j];
      v = scaled + c.bias[j];
      break;
    }
    case Op::prelu_u8: {
      const RequantizeChannels& c = o.requantize[plane];
      float centred = static_cast<float>(a) - c.in_zero[j];
      v = centred * (centred < 0 ? c.bias[j] : c.mult[j]);
      break;
    }
    case Op::add_u8: {
      float first = (static_cast<float>(a) - s.a_zero) * s.a_mult,
            second = (static_cast<float>(b) - s.b_zero) * s.b_mult;
      v = first + second;
      break;
    }
    default: {
      int product = (a - static_cast<int>(s.a_zero)) * (b - static_cast<int>(s.b_zero));
      v = static_cast<float>(product) * s.a_mult;
    }
  }
  return rq(v, s.out_zero, o.out_lo, o.out_hi);
}

float reference_f32(const ElementwiseSpec& spec, const Operands& o, size_t plane, float a, float b) {
  float v = 0;
  if (spec.second == Second::channel) b = o.affine[plane].mult;
  if (spec.reversed) std::swap(a, b);
  switch (spec.op) {
    case Op::unary_f32: v = a; break;
    case Op::prelu_f32: v = a < 0 ? a * b : a; break;
    case Op::add_f32: v = a + b; break;
    case Op::sub_f32: v = a - b; break;
    case Op::div_f32: v = a / b; break;
    case Op::min_f32: v = std::min(a, b); break;
    case Op::max_f32: v = std::max(a, b); break;
    case Op::affine_f32: v = a * o.affine[plane].mult, v = v + o.affine[plane].bias; break;
    default: v = a * b;
  }
  if (spec.act == Activation::clip) v = std::min(std::max(v, o.scalars.v_lo), o.scalars.v_hi);
  if (spec.act == Activation::leaky) v = v < 0 ? v * o.scalars.alpha : v;
  return v;
}

uint32_t reference_pixel(const ElementwiseSpec& spec, const Operands& o, size_t plane, Pixel a, Pixel b) {
  if (spec.op == Op::copy) return a.bits;
  if (spec.op >= Op::unary_f32) {
    float v = reference_f32(spec, o, plane, a.f32(), b.f32());
    uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    return bits;
  }
  uint32_t bits = 0;
  for (int j = 0; j < 4; ++j) bits |= uint32_t{reference_u8(spec.op, o, plane, j, a.byte(j), b.byte(j))} << 8 * j;
  return bits;
}

int folded_trials = 0;  // in which the folding was proved and run

Operands random_operands(Isa isa, Rng& rng, int planes) {
  Operands o;
  auto mult = [&] { return std::ldexp(static_cast<float>(pick(rng, -300, 300)), -pick(rng, 2, 9)); };
  for (int i = 0; i < planes; ++i) {
    RequantizeChannels c;
    for (int j = 0; j < 4; ++j) {
      c.mult[j] = mult();
      c.bias[j] = mult() * 10;
      c.in_zero[j] = static_cast<float>(pick(rng, 0, 255));
    }
    o.requantize.push_back(c);
    o.affine.push_back({mult(), mult()});
  }
  for (uint8_t& t : o.lut) t = static_cast<uint8_t>(rng());
  o.packed = pack_lut(o.lut);
  for (int i = 0; i < 4 * planes; ++i) {
    o.luts.push_back(random_table(rng));
  }
  for (size_t i = 0; i < o.luts.size(); i += 4)
    o.packed_luts.push_back(pack_luts({o.luts[i], o.luts[i + 1], o.luts[i + 2], o.luts[i + 3]}, isa));
  ElementwiseScalars& s = o.scalars;
  s.a_mult = mult(), s.b_mult = mult();
  s.a_zero = static_cast<float>(pick(rng, 0, 255)), s.b_zero = static_cast<float>(pick(rng, 0, 255));
  s.out_zero = rng() % 3 ? pick(rng, 0, 255) : 0;
  if (rng() % 3 == 0) s.a_zero = 0;
  if (rng() % 3 == 0) s.b_zero = 0;
  if (rng() % 2) o.out_lo = pick(rng, 0, 100), o.out_hi = pick(rng, o.out_lo, 255);
  s.alpha = 0.1f;
  return o;
}

void trial(Isa isa, Op op, Activation act, bool flat, Rng& rng) {
  const bool f32 = op >= Op::unary_f32,
             binary = op == Op::add_u8 || op == Op::mul_u8 || (f32 && op > Op::unary_f32 && op < Op::affine_f32);
  const Second second = binary ? Second(pick(rng, 0, f32 ? 2 : 1)) : Second::planes;
  const bool channels = second == Second::pixel, reversed = f32 && binary && op != Op::prelu_f32 && rng() % 2;
  int h = pick(rng, 1, 4), w = rng() % 4 ? pick(rng, 1, 40) : 1, planes = pick(rng, 1, 3);
  Geometry dst_geometry = random_geometry(rng, h, w);
  // The flat form wants one pitch; the padding above and below may differ.
  auto operand = [&] {
    return flat ? make_geometry(1, h, w, dst_geometry.gap, pick(rng, 0, 2), 0).value() : random_geometry(rng, h, w);
  };
  Planes a(operand(), planes, rng), b(channels ? make_geometry(1, 1, 1, 0, 0, 0).value() : operand(), planes, rng);
  Planes dst(dst_geometry, planes, rng);
  if (f32) fill_floats(a.bytes, rng, -9, 9), fill_floats(b.bytes, rng, -9, 9);

  ElementwiseSpec spec{isa, op, act, flat ? RowShape{} : RowShape{w, dst_geometry.gap}, second, reversed};
  Operands o = random_operands(isa, rng, planes);
  o.scalars.v_lo = f32 ? -1.5f : static_cast<float>(o.out_lo - o.scalars.out_zero);
  o.scalars.v_hi = f32 ? 6.0f : static_cast<float>(o.out_hi - o.scalars.out_zero);
  // The folded kernel gets folded parameters and must still compute the formula of the plain ones.
  std::vector<RequantizeChannels> folded = o.requantize;
  if (op == Op::requantize_folded) {
    auto found = fold_requantize(o.requantize, o.scalars);
    if (!found) return;
    ++folded_trials;
    folded = *found;
  }
  if (!f32 && rng() % 2) spec.facts = facts_of(op, o.scalars, o.requantize);
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  const void* params = op == Op::lut                 ? static_cast<const void*>(o.packed.data())
                       : op == Op::lut_vbmi          ? static_cast<const void*>(o.lut.data())
                       : op == Op::lut_channels      ? static_cast<const void*>(o.packed_luts.data())
                       : op == Op::lut_channels_vbmi ? static_cast<const void*>(o.luts.data())
                       : f32                         ? static_cast<const void*>(o.affine.data())
                                                     : folded.data();
  std::vector<uint16_t> lanes = valid_lanes(dst_geometry);
  ElementwiseArgs args{
      a.base(),      a.offsets.data(), a.row_bytes(),      b.base(),        b.offsets.data(),
      b.row_bytes(), dst.base(),       dst.offsets.data(), dst.row_bytes(), dst.pads.data(),
      params,        &o.scalars,       lanes.data(),       planes,          flat ? dst_geometry.vectors() : h};

  GuardedBytes expected(dst.bytes);
  int64_t stored = flat ? int64_t{dst_geometry.vectors()} * kVectorPixels : int64_t{h} * dst_geometry.pitch;
  for (size_t i = 0; i < static_cast<size_t>(planes); ++i)
    for (int64_t p = 0; p < stored; ++p) {
      int64_t y = p / dst_geometry.pitch, x = p % dst_geometry.pitch;
      uint32_t bits = dst.pads[i];
      if (y < h && x < w) {
        Pixel second = Pixel::load(b.base() + b.offsets[i] + (channels ? 0 : y * b.row_bytes() + x * 4));
        bits = reference_pixel(spec, o, i, Pixel::load(a.base() + a.offsets[i] + y * a.row_bytes() + x * 4), second);
      }
      std::memcpy(expected.data() + dst.offsets[i] + p * 4, &bits, 4);
    }
  ASSERT_TRUE(run_kernel(
      *code, isa, &args,
      {block(args), block(o.scalars), block(o.packed), block(o.lut), readable(o.luts), readable(o.packed_luts),
       readable(o.affine), readable(folded), readable(a.bytes), readable(b.bytes), readable(a.offsets),
       readable(b.offsets), readable(dst.offsets), readable(dst.pads), readable(lanes), writable(dst.bytes)},
      permutes(op)));
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(spec) << " h" << h << " w" << w;
}

TEST(Elementwise, U8EqualsTheFormulas) {
  for (Isa isa : kGeneratedIsas)
    for (Op op : kU8Ops) {
      if (permutes(op) && isa != Isa::avx512_vnni) continue;
      Rng rng(3);
      for (int t = 0; t < trials(isa, 40); ++t) {
        trial(isa, op, Activation::none, t % 2 == 0, rng);
        if (HasFatalFailure()) return;
      }
    }
  EXPECT_GT(folded_trials, 20);
}

TEST(Elementwise, F32EqualsTheFormulas) {
  for (Isa isa : kGeneratedIsas)
    for (Op op : kF32Ops)
      for (Activation act : {Activation::none, Activation::clip, Activation::leaky}) {
        Rng rng(4);
        for (int t = 0; t < trials(isa, 12); ++t) {
          trial(isa, op, act, t % 2 == 0, rng);
          if (HasFatalFailure()) return;
        }
      }
}

// A multiplier of one half puts every odd value on a tie, which the folded zero point would round the other way.
TEST(Elementwise, FoldsOnlyWhatIsProved) {
  ElementwiseScalars s;
  s.out_zero = 1, s.v_lo = -1, s.v_hi = 254;
  RequantizeChannels c{{0.5f, 0.5f, 0.5f, 0.5f}, {}, {}};
  EXPECT_FALSE(fold_requantize(std::span(&c, 1), s));
  s.out_zero = 2, s.v_lo = -2, s.v_hi = 253;
  EXPECT_TRUE(fold_requantize(std::span(&c, 1), s));
  c.mult[3] = 1e9f;  // beyond what a conversion holds
  EXPECT_FALSE(fold_requantize(std::span(&c, 1), s));
}

// Copies into a plane from rows that end where memory ends, as a user's tensor may.
TEST(Elementwise, RowsReadNothingBehindTheLastPixel) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(5);
    for (int w = 1; w < 35; ++w) {
      Planes dst(random_geometry(rng, 2, w), 1, rng);
      GuardedBytes src(static_cast<size_t>(2 * w) * 4);
      fill_bytes(src, rng);
      auto code = generate(ElementwiseSpec{isa, Op::copy, Activation::none, {w, dst.geometry.gap}});
      ASSERT_TRUE(code.ok()) << code.error().text();
      std::vector<int64_t> from = {0};
      ElementwiseArgs args{};
      args.a = src.data(), args.a_planes = from.data(), args.a_row_bytes = w * 4;
      args.dst = dst.base(), args.dst_planes = dst.offsets.data(), args.dst_row_bytes = dst.row_bytes();
      args.dst_pad = dst.pads.data(), args.planes = 1, args.count = 2;
      ASSERT_TRUE(run_kernel(*code, isa, &args,
                             {block(args), readable(from), readable(src), readable(dst.offsets), readable(dst.pads),
                              writable(dst.bytes)}));
      for (int y = 0; y < 2; ++y)
        ASSERT_EQ(0, std::memcmp(dst.base() + dst.offsets[0] + y * dst.row_bytes(), src.data() + y * w * 4,
                                 static_cast<size_t>(w) * 4));
    }
  }
}

TEST(Elementwise, RefusesActivationOfIntegers) {
  EXPECT_FALSE(generate(ElementwiseSpec{Isa::avx2, Op::add_u8, Activation::clip, {}}).ok());
}

}  // namespace
}  // namespace quadlane::testing
