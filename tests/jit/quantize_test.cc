// Quantize and dequantize kernels against the rounding rule, element by element.
#include "jit/kernels/quantize.h"

#include <cmath>
#include <limits>

#include "ops/rounding.h"
#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

constexpr int kWidths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 23, 31, 33, 50};

void store_pixel(std::byte* at, uint32_t dword) { std::memcpy(at, &dword, sizeof dword); }

// Dense rows of `channels` f32 maps: exactly h * w floats each, the last one ends at a guard page.
struct DenseMaps {
  DenseMaps(int channels, int h, int w) : h(h), w(w), bytes(static_cast<size_t>(channels) * h * w * 4) {}
  int64_t offset(int channel) const { return int64_t{channel} * h * w * 4; }
  int h, w;
  GuardedBytes bytes;
};

void poke_special_values(const DenseMaps& maps, Rng& rng) {
  const float special[] = {0.0f, -0.0f, 0.5f,     1.5f,     2.5f,      -0.5f, 1e30f,         -1e30f,
                           3e9f, -3e9f, 65536.0f, INFINITY, -INFINITY, NAN,   2147483648.0f, 254.5f};
  size_t count = maps.bytes.size() / 4;
  for (size_t i = 0; i < count; ++i)
    if (rng() % 4 == 0) maps.bytes.as<float>()[i] = special[rng() % std::size(special)];
}

uint8_t quantized(const QuantizeSpec& spec, float x, float scale, int32_t zero) {
  if (!spec.divides) return quantize_u8(x, scale, zero);
  const float v = x / scale;
  return v != v ? static_cast<uint8_t>(zero) : rq(v, zero, 0, 255);
}

void quantize_reference(const QuantizeSpec& spec, const QuantizeArgs& a) {
  for (int64_t i = 0; i < a.planes; ++i)
    for (int64_t y = 0; y < a.rows; ++y) {
      std::byte* dst = a.dst + a.dst_planes[i] + y * a.dst_row_bytes;
      for (int x = 0; x < spec.row.pitch(); ++x) {
        uint32_t pixel = x < spec.row.w ? 0 : a.dst_pad[i];
        for (int j = 0; j < 4 && x < spec.row.w; ++j) {
          uint32_t byte = static_cast<uint32_t>(a.zero[4 * i + j]);
          if (spec.channels >> j & 1) {
            float v;
            std::memcpy(&v, a.src + a.src_channels[4 * i + j] + y * a.src_row_bytes + x * 4, 4);
            byte = quantized(spec, v, a.inv_scale[4 * i + j], a.zero[4 * i + j]);
          }
          pixel |= byte << 8 * j;
        }
        store_pixel(dst + x * 4, pixel);
      }
    }
}

void quantize_trial(Isa isa, int w, int channels, Rng& rng) {
  int h = pick(rng, 1, 3), planes = pick(rng, 1, 3);
  Planes dst(random_geometry(rng, h, w), planes, rng);
  QuantizeSpec spec{isa, {w, dst.geometry.gap}, channels, rng() % 2 == 0};
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();

  DenseMaps src(4 * planes, h, w);
  fill_floats(src.bytes, rng, -300, 300);
  poke_special_values(src, rng);
  std::vector<int64_t> offsets;
  std::vector<float> inv_scale;
  std::vector<int32_t> zero;
  for (int c = 0; c < 4 * planes; ++c) {
    offsets.push_back(spec.channels >> c % 4 & 1 ? src.offset(c) : int64_t{1} << 60);
    inv_scale.push_back(rng() % 3 == 0 ? 1.0f : std::ldexp(static_cast<float>(pick(rng, 1, 100)), -6));
    zero.push_back(rng() % 2 ? pick(rng, 0, 255) : rng() % 2 ? 0 : 255);
  }
  QuantizeArgs args{src.bytes.data(),
                    offsets.data(),
                    int64_t{w} * 4,
                    inv_scale.data(),
                    zero.data(),
                    dst.base(),
                    dst.offsets.data(),
                    dst.row_bytes(),
                    dst.pads.data(),
                    planes,
                    h};
  GuardedBytes expected(dst.bytes);
  QuantizeArgs reference = args;
  reference.dst = expected.data();
  quantize_reference(spec, reference);
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(src.bytes), readable(offsets), readable(inv_scale), readable(zero),
                          readable(dst.offsets), readable(dst.pads), writable(dst.bytes)}));
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(spec);
}

TEST(Quantize, EqualsTheRoundingRule) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(1);
    for (int w : kWidths)
      for (int t = 0; t < trials(isa, 8); ++t) {
        quantize_trial(isa, w, t % 4 == 0 ? 15 : pick(rng, 1, 15), rng);
        if (HasFatalFailure()) return;
      }
  }
}

void dequantize_reference(const DequantizeSpec& spec, const DequantizeArgs& a) {
  for (int64_t i = 0; i < a.planes; ++i)
    for (int j = 0; j < 4; ++j)
      for (int64_t y = 0; y < a.rows && (spec.channels >> j & 1); ++y)
        for (int x = 0; x < spec.row.pitch(); ++x) {
          std::byte* dst = a.dst + a.dst_channels[4 * i + j] + y * a.dst_row_bytes + x * 4;
          if (x >= spec.row.w) {
            store_pixel(dst, a.dst_pad[4 * i + j]);
            continue;
          }
          uint8_t q = static_cast<uint8_t>(a.src[a.src_planes[i] + y * a.src_row_bytes + x * 4 + j]);
          float v = dequantize_u8(q, a.scale[4 * i + j], a.zero[4 * i + j]);
          std::memcpy(dst, &v, 4);
        }
}

// gap < 0: into dense rows.
void dequantize_trial(Isa isa, int w, int channels, bool dense, Rng& rng) {
  int h = pick(rng, 1, 3), planes = pick(rng, 1, 3);
  Planes src(random_geometry(rng, h, w), planes, rng);
  Geometry dst_geometry = random_geometry(rng, h, w);
  Planes dst(dst_geometry, 4 * planes, rng);
  DenseMaps maps(4 * planes, h, w);
  DequantizeSpec spec{isa, {w, dense ? 0 : dst_geometry.gap}, channels};
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();

  std::vector<int64_t> dense_offsets;
  std::vector<float> scale;
  std::vector<int32_t> zero;
  for (int c = 0; c < 4 * planes; ++c) {
    dense_offsets.push_back(maps.offset(c));
    scale.push_back(std::ldexp(static_cast<float>(pick(rng, 1, 1000)), -8));
    zero.push_back(pick(rng, 0, 255));
  }
  const GuardedBytes& to = dense ? maps.bytes : dst.bytes;
  DequantizeArgs args{src.base(),
                      src.offsets.data(),
                      src.row_bytes(),
                      scale.data(),
                      zero.data(),
                      to.data(),
                      dense ? dense_offsets.data() : dst.offsets.data(),
                      dense ? int64_t{w} * 4 : dst.row_bytes(),
                      dense ? nullptr : dst.pads.data(),
                      planes,
                      h};
  GuardedBytes expected(to);
  DequantizeArgs reference = args;
  reference.dst = expected.data();
  dequantize_reference(spec, reference);
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(dst.offsets),
                          readable(dst.pads), readable(dense_offsets), readable(scale), readable(zero), writable(to)}));
  if (dense)
    ASSERT_TRUE(to == expected) << describe(spec);
  else
    ASSERT_TRUE(same_bytes(dst, expected)) << describe(spec);
}

TEST(Dequantize, EqualsTheFormula) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(2);
    for (int w : kWidths)
      for (int t = 0; t < trials(isa, 8); ++t) {
        dequantize_trial(isa, w, t % 4 == 0 ? 15 : pick(rng, 1, 15), t % 2 == 0, rng);
        if (HasFatalFailure()) return;
      }
  }
}

void mean_reference(const DequantizedMeanSpec& spec, const DequantizeArgs& a) {
  for (int64_t i = 0; i < a.planes; ++i)
    for (int j = 0; j < 4; ++j) {
      if (!(spec.channels >> j & 1)) continue;
      int32_t sum = 0;
      for (int64_t y = 0; y < a.rows; ++y)
        for (int x = 0; x < spec.w; ++x)
          sum += static_cast<uint8_t>(a.src[a.src_planes[i] + y * a.src_row_bytes + x * 4 + j]);
      const float mean = static_cast<float>(sum - a.zero[4 * i + j]) * a.scale[4 * i + j];
      std::byte* dst = a.dst + a.dst_channels[4 * i + j];
      std::memcpy(dst, &mean, 4);
      for (int x = 1; x <= spec.gap; ++x) store_pixel(dst + 4 * x, a.dst_pad[4 * i + j]);
    }
}

// Planes of one pixel, or dense floats.
void mean_trial(Isa isa, int w, int channels, bool dense, Rng& rng) {
  const int h = pick(rng, 1, 5), planes = pick(rng, 1, 3);
  Planes src(random_geometry(rng, h, w), planes, rng);
  const Geometry pixel = random_geometry(rng, 1, 1);
  Planes dst(pixel, 4 * planes, rng);
  DenseMaps maps(4 * planes, 1, 1);
  DequantizedMeanSpec spec{isa, w, dense ? 0 : pixel.gap, channels};
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  std::vector<int64_t> dense_offsets;
  std::vector<float> scale;
  std::vector<int32_t> zero;
  for (int c = 0; c < 4 * planes; ++c) {
    dense_offsets.push_back(maps.offset(4 * planes - 1 - c));
    scale.push_back(std::ldexp(static_cast<float>(pick(rng, 1, 1000)), -8));
    zero.push_back(pick(rng, 0, 255 * h * w));
  }
  const GuardedBytes& to = dense ? maps.bytes : dst.bytes;
  DequantizeArgs args{src.base(),
                      src.offsets.data(),
                      src.row_bytes(),
                      scale.data(),
                      zero.data(),
                      to.data(),
                      dense ? dense_offsets.data() : dst.offsets.data(),
                      0,
                      dense ? nullptr : dst.pads.data(),
                      planes,
                      h};
  GuardedBytes expected(to);
  DequantizeArgs reference = args;
  reference.dst = expected.data();
  mean_reference(spec, reference);
  ASSERT_TRUE(run_kernel(*code, isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(dst.offsets),
                          readable(dst.pads), readable(dense_offsets), readable(scale), readable(zero), writable(to)}));
  ASSERT_TRUE(to == expected) << describe(spec);
}

TEST(DequantizedMean, EqualsTheFormula) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(3);
    for (int w : kWidths)
      for (int t = 0; t < trials(isa, 8); ++t) {
        mean_trial(isa, w, t % 4 == 0 ? 15 : pick(rng, 1, 15), t % 2 == 0, rng);
        if (HasFatalFailure()) return;
      }
  }
}

// Values of any size and sign, NaN among them; exactly w floats of a row are read.
void range_trial(Isa isa, int w, Rng& rng) {
  const int h = pick(rng, 1, 4), count = pick(rng, 1, 3);
  DenseMaps maps(count, h, w);
  fill_floats(maps.bytes, rng, pick(rng, 0, 2) ? -50.0f : 1.0f, pick(rng, 0, 2) ? 80.0f : -1.0f);
  if (rng() % 3 == 0) maps.bytes.as<float>()[rng() % (maps.bytes.size() / 4)] = NAN;
  RangeSpec spec{isa, w};
  auto code = generate(spec, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  std::vector<int64_t> offsets;
  for (int p = 0; p < count; ++p) offsets.push_back(maps.offset(count - 1 - p));
  GuardedBytes ranges(static_cast<size_t>(count) * 8);
  RangeArgs args{maps.bytes.data(), offsets.data(), int64_t{w} * 4, ranges.as<float>(), count, h};
  ASSERT_TRUE(run_kernel(*code, isa, &args, {block(args), readable(maps.bytes), readable(offsets), writable(ranges)}));
  for (int p = 0; p < count; ++p) {
    float lo = 0, hi = 0;
    const float* x = maps.bytes.as<float>() + offsets[static_cast<size_t>(p)] / 4;
    for (int i = 0; i < w * h; ++i) {
      if (x[i] < lo) lo = x[i];
      if (x[i] > hi) hi = x[i];
    }
    ASSERT_EQ(ranges.as<float>()[2 * p], lo) << describe(spec) << " h" << h << " plane " << p;
    ASSERT_EQ(ranges.as<float>()[2 * p + 1], hi) << describe(spec) << " h" << h << " plane " << p;
  }
}

TEST(Range, IsTheLeastAndTheLargestAndZero) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(3);
    for (int w : kWidths)
      for (int t = 0; t < trials(isa, 8); ++t) {
        range_trial(isa, w, rng);
        if (HasFatalFailure()) return;
      }
  }
}

TEST(Quantize, RefusesWhatCannotBe) {
  EXPECT_FALSE(generate(RangeSpec{Isa::avx2, 0}).ok());
  EXPECT_FALSE(generate(QuantizeSpec{Isa::avx2, {0, 0}, 15}).ok());
  EXPECT_FALSE(generate(QuantizeSpec{Isa::avx2, {8, 0}, 0}).ok());
  EXPECT_FALSE(generate(DequantizeSpec{Isa::reference, {8, 0}, 15}).ok());
}

}  // namespace
}  // namespace quadlane::testing
