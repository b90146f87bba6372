// Convolution kernels with outputs in the lanes against a scalar reference written from the formula: random tiles,
// strides, taps left out for single pixels; natively with a guard page behind every buffer, and interpreted.
#include "jit/kernels/oconv.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "tests/jit/kernel_harness.h"

namespace quadlane {
namespace {

using testing::fill_bytes;
using testing::fill_floats;
using testing::GuardedBytes;
using testing::pick;
using testing::Planes;
using testing::Rng;

struct Problem {
  explicit Problem(Rng& rng) : rng(rng) {
    const int types = pick(rng, 0, 9);
    spec.src = types < 7 ? DType::u8 : DType::f32;
    spec.dst = types < 5 ? DType::u8 : DType::f32;
    spec.outputs = pick(rng, 0, 3) ? 16 * pick(rng, 1, 4) : pick(rng, 1, 40);
    spec.clamp_lo = pick(rng, 0, 2) == 0;
    spec.clamp_hi = pick(rng, 0, 4) == 0;
    spec.shift = spec.src == DType::u8 && spec.dst == DType::f32 && pick(rng, 0, 1);
    if (pick(rng, 0, 2) == 0) spec.residual = spec.dst == DType::u8 ? ConvResidual::u8 : ConvResidual::f32;
    spec.residual_zero = pick(rng, 0, 1);
    if (spec.dst == DType::f32) spec.act = static_cast<Activation>(pick(rng, 0, 6));
    spec.slope = spec.residual == ConvResidual::none && spec.act == Activation::none && pick(rng, 0, 1);
    spec.rounding.bounded = spec.dst == DType::u8 && pick(rng, 0, 1);
    spec.table = spec.dst == DType::u8 && pick(rng, 0, 2) == 0;
    if (pick(rng, 0, 4) == 0) spec.up_y = pick(rng, 1, 2), spec.up_x = pick(rng, 1, 2);
    do {
      spec.columns = pick(rng, 1, pick(rng, 1, 30));
      spec.rows = spec.up_y * pick(rng, 1, std::max(1, 32 / spec.columns));
    } while (spec.pixels() > 32 || spec.pixels() * spec.vectors() > 26);
    stride_y = pick(rng, 1, 3), stride_x = pick(rng, 1, 3), tiles = pick(rng, 1, 3);
    const int kh = pick(rng, 1, 3), kw = pick(rng, 1, 3), sections = pick(rng, 0, 3) ? 1 : 2;
    const int ow = spec.columns + pick(rng, 0, 5), oh = spec.rows * tiles + pick(rng, 0, 2);
    x0 = pick(rng, 0, (ow - spec.columns) / spec.up_x) * spec.up_x;
    y0 = pick(rng, 0, (oh - spec.rows * tiles) / spec.up_y) * spec.up_y;
    dst_geometry = make_geometry(1, oh, ow, pick(rng, 0, 1), pick(rng, 0, 1), pick(rng, 0, 1)).value();
    src_geometry = make_geometry(1, oh * stride_y, ow * stride_x, kw, kh, kh).value();
    spec.src_pixel = stride_x * kPixelBytes;
    spec.src_row = int64_t{stride_y} * src_geometry.pitch * kPixelBytes;
    spec.dst_row = int64_t{dst_geometry.pitch} * kPixelBytes;
    for (int s = 0; s < sections; ++s) {
      std::vector<OconvTap> taps;
      for (int y = 0; y < kh; ++y)
        for (int x = 0; x < kw; ++x) {
          OconvTap tap{((y - kh / 2) * src_geometry.pitch + x - kw / 2) * kPixelBytes, uint32_t{0xffffffff}};
          if (pick(rng, 0, 2) == 0) tap.pixels = pick(rng, 0, 3) ? rng() : 0;
          taps.push_back(tap);
        }
      spec.taps.push_back(std::move(taps));
      section_planes.push_back(pick(rng, 1, 6));
      planes += static_cast<int>(section_planes.back());
    }
  }

  // Bytes from a source plane's first pixel to the one where output pixel (y, x) lies.
  int64_t source_of(int y, int x) const {
    return (int64_t{y / spec.up_y} * stride_y * src_geometry.pitch + x / spec.up_x * stride_x) * kPixelBytes;
  }
  int dst_planes() const { return spec.dst == DType::u8 ? (spec.outputs + 3) / 4 : spec.outputs; }

  Rng& rng;
  OconvSpec spec;
  Geometry src_geometry, dst_geometry;
  std::vector<int64_t> section_planes;
  int stride_y = 1, stride_x = 1, tiles = 1, x0 = 0, y0 = 0, planes = 0;
};

template <class T>
T at(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float apply(const OconvSpec& spec, const ConvEpilogue& e, float v) {
  switch (spec.act) {
    case Activation::clip: return std::min(std::max(v, e.v_lo), e.v_hi);
    case Activation::leaky: return v < 0 ? v * e.alpha : v;
    case Activation::hard_sigmoid: return std::clamp(v * e.alpha + e.beta, 0.0f, 1.0f);
    case Activation::hard_swish: return v * std::clamp(v / 6 + 0.5f, 0.0f, 1.0f);
    case Activation::sigmoid: return 1 / (1 + std::exp(-v));
    case Activation::swish: return v / (1 + std::exp(-v * e.alpha));
    default: return v;
  }
}

void check_problem(Problem& p) {
  Rng& rng = p.rng;
  const OconvSpec& s = p.spec;
  SCOPED_TRACE(describe(s));
  ASSERT_TRUE(check(s).ok()) << check(s).error().text();
  const bool u8 = s.src == DType::u8;
  const size_t lanes = static_cast<size_t>(16 * s.vectors());
  Planes src(p.src_geometry, p.planes, rng), dst(p.dst_geometry, p.dst_planes(), rng),
      residual(p.dst_geometry, p.dst_planes(), rng);
  if (!u8) fill_floats(src.bytes, rng, -2, 2);
  if (s.residual == ConvResidual::f32) fill_floats(residual.bytes, rng, -2, 2);
  GuardedBytes clamp_lo(static_cast<size_t>(64 * p.planes)), clamp_hi(clamp_lo.size());
  auto limits = [&](const GuardedBytes& to, bool low) {
    for (int i = 0; i < p.planes; ++i) {
      const float f = low ? -1.0f : 1.0f;
      const uint32_t bits = u8 ? static_cast<uint32_t>(rng()) : std::bit_cast<uint32_t>(f);
      for (int x = 0; x < 16; ++x) to.as<uint32_t>()[16 * i + x] = bits;
    }
  };
  limits(clamp_lo, true), limits(clamp_hi, false);
  std::vector<int32_t> bias_s32(lanes * static_cast<size_t>(s.phases()));
  std::vector<float> bias_f32(bias_s32.size()), mult(lanes), shift(lanes);
  const bool extreme = pick(rng, 0, 3) == 0;
  for (size_t o = 0; o < static_cast<size_t>(s.outputs); ++o) {
    for (size_t at = o; at < bias_s32.size(); at += lanes) {
      bias_s32[at] = pick(rng, -5000, 5000);
      bias_f32[at] = static_cast<float>(pick(rng, -100, 100)) / 50;
    }
    mult[o] = static_cast<float>(pick(rng, 1, 1000)) * (extreme ? 10.0f : 1e-5f);
    shift[o] = static_cast<float>(pick(rng, -100, 100));
  }
  if (s.dst == DType::u8 && s.rounding.bounded)
    for (float& m : mult) m = std::min(m, 1e-3f);
  if (s.slope)
    for (size_t o = 0; o < lanes; ++o) mult.push_back(static_cast<float>(pick(rng, -50, 150)) / 100);
  const testing::ByteTable table = testing::random_table(rng);
  if (s.table) testing::append_table(mult, table_offset(static_cast<int64_t>(lanes), s.slope), table);
  ConvEpilogue e;
  const bool whole = pick(rng, 0, 2) == 0;
  e.out_zero = s.dst == DType::u8 && pick(rng, 0, 2) ? pick(rng, 0, 255) : 0;
  e.v_lo = s.dst == DType::u8 ? static_cast<float>((whole ? 0 : pick(rng, 0, 20)) - e.out_zero) : -1.0f;
  e.v_hi = s.dst == DType::u8 ? static_cast<float>((whole ? 255 : pick(rng, 200, 255)) - e.out_zero) : 1.5f;
  if (s.dst == DType::u8 && pick(rng, 0, 1)) {
    const bool bounded = s.rounding.bounded;
    p.spec.rounding = rounding_facts(0, e.v_lo, e.v_hi, e.out_zero);
    p.spec.rounding.bounded = bounded;
  }
  e.alpha = 0.2f, e.beta = 0.4f, e.residual_mult = 0.37f, e.residual_zero = s.residual_zero ? pick(rng, 0, 255) : 0;

  size_t count = 0;
  for (size_t i = 0; i < s.taps.size(); ++i) count += s.taps[i].size() * static_cast<size_t>(p.section_planes[i]);
  std::vector<int8_t> w8(count * static_cast<size_t>(s.outputs) * 4);
  std::vector<float> w32(count * static_cast<size_t>(s.outputs));
  for (int8_t& w : w8) w = static_cast<int8_t>(pick(rng, -128, 127));
  for (float& w : w32) w = static_cast<float>(pick(rng, -100, 100)) / 100;
  auto index = [&](int section, int64_t plane, int tap, int o) {
    size_t before = 0;
    for (int i = 0; i < section; ++i)
      before += s.taps[static_cast<size_t>(i)].size() * static_cast<size_t>(p.section_planes[static_cast<size_t>(i)]);
    const size_t taps = s.taps[static_cast<size_t>(section)].size();
    return (before + static_cast<size_t>(plane) * taps + static_cast<size_t>(tap)) * static_cast<size_t>(s.outputs) +
           static_cast<size_t>(o);
  };
  const std::vector<std::byte> weights =
      u8 ? pack_oconv_weights(s, p.section_planes, ConvWeightS8([&](int o, int section, int64_t plane, int tap, int c) {
                                return w8[4 * index(section, plane, tap, o) + static_cast<size_t>(c)];
                              }))
         : pack_oconv_weights(s, p.section_planes, ConvWeightF32([&](int o, int section, int64_t plane, int tap) {
                                return w32[index(section, plane, tap, o)];
                              }));

  // What the tile's pixels must become.
  GuardedBytes expected(dst.bytes);
  for (int y = 0; y < s.rows * p.tiles; ++y)
    for (int x = 0; x < s.columns; ++x)
      for (int o = 0; o < p.dst_planes() * (s.dst == DType::u8 ? 4 : 1); ++o) {
        const int64_t from = p.source_of(p.y0 + y, p.x0 + x);
        const int64_t to = dst.offsets[static_cast<size_t>(s.dst == DType::u8 ? o / 4 : o)] +
                           ((p.y0 + y) * int64_t{p.dst_geometry.pitch} + p.x0 + x) * 4;
        if (o >= s.outputs) {
          expected.data()[to + o % 4] = std::byte{0};
          continue;
        }
        const size_t so = static_cast<size_t>(o);
        const size_t of_phase = so + lanes * static_cast<size_t>(s.phase(p.y0 + y, p.x0 + x));
        int32_t acc = u8 ? bias_s32[of_phase] : 0;
        double sum = u8 ? 0 : bias_f32[of_phase];
        size_t plane_index = 0;
        for (size_t section = 0; section < s.taps.size(); ++section)
          for (int64_t plane = 0; plane < p.section_planes[section]; ++plane, ++plane_index)
            for (size_t t = 0; t < s.taps[section].size(); ++t) {
              const OconvTap& tap = s.taps[section][t];
              if ((tap.pixels >> (y % s.rows * s.columns + x) & 1) == 0) continue;
              const std::byte* px = src.base() + src.offsets[plane_index] + from + tap.offset;
              const std::byte *lo = clamp_lo.data() + 64 * plane_index, *hi = clamp_hi.data() + 64 * plane_index;
              const size_t w = index(static_cast<int>(section), plane, static_cast<int>(t), o);
              if (u8) {
                for (size_t c = 0; c < 4; ++c) {
                  int v = at<uint8_t>(px + c);
                  if (s.clamp_lo) v = std::max<int>(v, at<uint8_t>(lo + c));
                  if (s.clamp_hi) v = std::min<int>(v, at<uint8_t>(hi + c));
                  acc += v * w8[4 * w + c];
                }
              } else {
                float v = at<float>(px);
                if (s.clamp_lo) v = std::max(v, at<float>(lo));
                if (s.clamp_hi) v = std::min(v, at<float>(hi));
                sum += static_cast<double>(v) * w32[w];
              }
            }
        const std::byte* r = residual.base() + to - dst.offsets[static_cast<size_t>(s.dst == DType::u8 ? o / 4 : o)] +
                             residual.offsets[static_cast<size_t>(s.dst == DType::u8 ? o / 4 : o)];
        float v = u8 ? static_cast<float>(acc) * mult[so] : static_cast<float>(sum);
        if (s.shift) v += shift[so];
        if (s.slope && v < 0) v *= mult[lanes + so];
        if (s.dst == DType::u8) {
          if (s.residual == ConvResidual::u8)
            v += static_cast<float>(at<uint8_t>(r + o % 4) - e.residual_zero) * e.residual_mult;
          v = std::min(std::max(v, e.v_lo), e.v_hi);
          const auto y = static_cast<uint8_t>(e.out_zero + static_cast<int32_t>(std::nearbyint(v)));
          expected.data()[to + o % 4] = std::byte{s.table ? table[y] : y};
        } else {
          if (s.residual == ConvResidual::f32) v += at<float>(r);
          v = apply(s, e, v);
          std::memcpy(expected.data() + to, &v, 4);
        }
      }

  OconvArgs args{};
  args.src = src.base() + p.source_of(p.y0, p.x0);
  args.src_planes = src.offsets.data();
  args.weights = weights.data();
  args.bias = u8 ? static_cast<const void*>(bias_s32.data()) : bias_f32.data();
  args.mult = mult.data();
  args.shift = shift.data();
  args.clamp_lo = clamp_lo.data();
  args.clamp_hi = clamp_hi.data();
  const int64_t first = (p.y0 * int64_t{p.dst_geometry.pitch} + p.x0) * 4;
  args.dst = dst.base() + first;
  args.dst_planes = dst.offsets.data();
  args.residual = residual.base() + first;
  args.residual_planes = residual.offsets.data();
  args.epilogue = &e;
  args.tiles = p.tiles;
  args.src_step = s.src_row * s.rows / s.up_y;
  args.dst_step = s.dst_row * s.rows;
  std::copy(p.section_planes.begin(), p.section_planes.end(), args.section_planes);
  auto code = generate(s, testing::poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  using testing::block;
  using testing::readable;
  ASSERT_TRUE(testing::run_kernel(
      *code, s.isa, &args,
      {block(args), block(e), readable(src.bytes), readable(src.offsets), readable(weights), readable(bias_s32),
       readable(bias_f32), readable(mult), readable(shift), readable(clamp_lo), readable(clamp_hi),
       testing::writable(dst.bytes), readable(dst.offsets), readable(residual.bytes), readable(residual.offsets)},
      s.table));
  if (u8 && s.act <= Activation::leaky) {  // other functions are exact to a few units only
    ASSERT_TRUE(testing::same_bytes(dst, expected));
    return;
  }
  for (size_t i = 0; i < expected.size() / 4; ++i) {
    if (dst.bytes.as<uint32_t>()[i] == expected.as<uint32_t>()[i]) continue;
    const float ours = dst.bytes.as<float>()[i], theirs = expected.as<float>()[i];
    ASSERT_LE(std::abs(ours - theirs), 1e-5f * std::abs(theirs) + 3e-7f * static_cast<float>(4 * count))
        << "dword " << i;
  }
}

TEST(Oconv, AgreesWithTheFormula) {
  Rng rng(1);
  for (int i = 0; i < testing::trials(Isa::avx512_vnni, 1500) && !::testing::Test::HasFatalFailure(); ++i) {
    Problem problem(rng);
    check_problem(problem);
  }
}

TEST(Oconv, RefusesWhatItCannotGenerate) {
  auto message = [](auto change) {
    OconvSpec s;
    s.taps = {{{0, 1}}};
    change(s);
    Status status = check(s);
    EXPECT_EQ(status.ok(), generate(s).ok());
    return status.ok() ? std::string("ok") : status.error().message;
  };
  EXPECT_EQ(message([](OconvSpec&) {}), "ok");
  EXPECT_EQ(message([](OconvSpec& s) { s.isa = Isa::avx2; }),
            "no kernel with outputs in the lanes for instruction set avx2");
  EXPECT_EQ(message([](OconvSpec& s) { s.isa = Isa::avx512; }),
            "no kernel with outputs in the lanes for instruction set avx512");
  EXPECT_EQ(message([](OconvSpec& s) { s.isa = Isa::avx512, s.src = s.dst = DType::f32; }), "ok");
  EXPECT_EQ(message([](OconvSpec& s) { s.rows = 5, s.columns = 7; }), "a tile of 5 x 7 pixels x 16 outputs");
  EXPECT_EQ(message([](OconvSpec& s) { s.columns = 15, s.outputs = 32; }),
            "a tile of 1 x 15 pixels x 2 vectors of outputs needs 33 vector registers, there are 32");
  EXPECT_EQ(message([](OconvSpec& s) {
              s.taps[0].assign(26, {0, 1});
            }),
            "a section of 26 taps, a kernel takes 1 to 25");
  EXPECT_EQ(message([](OconvSpec& s) { s.taps[0][0].offset = 2; }),
            "a tap at byte offset 2, expected whole pixels and less than 2^29");
  EXPECT_EQ(message([](OconvSpec& s) { s.act = Activation::clip; }), "an activation on a u8 output");
}

}  // namespace
}  // namespace quadlane
