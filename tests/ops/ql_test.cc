// The integer operators against their formulas in QL_OPS.md, written out here a second time in plain integers.
#include <cmath>

#include "ops/rounding.h"
#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

std::string s(const char* text) { return text; }
AttrList range(int64_t zero, int64_t lo, int64_t hi) { return {{"out_zero", zero}, {"out_lo", lo}, {"out_hi", hi}}; }
AttrList operator+(AttrList a, const AttrList& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// zero + round_half_even(clamp(v, lo - zero, hi - zero)) by the C library.
uint8_t expected_rq(float v, int zero, int lo, int hi) {
  double clamped = std::min(std::max(double{v}, double(lo - zero)), double(hi - zero));
  return static_cast<uint8_t>(zero + static_cast<int>(std::nearbyint(clamped)));
}

TEST(Rounding, AgreesWithTheLibraryOnEveryQuarterAndItsNeighbours) {
  for (int quarter = -1400; quarter <= 1400; ++quarter) {
    float v = static_cast<float>(quarter) / 4;
    for (float x : {v, std::nextafter(v, HUGE_VALF), std::nextafter(v, -HUGE_VALF)}) {
      ASSERT_EQ(round_half_even(x), static_cast<int>(std::nearbyint(x))) << x;
      for (int zero : {0, 1, 128, 255}) {
        ASSERT_EQ(rq(x, zero, 0, 255), expected_rq(x, zero, 0, 255)) << x << " zero " << zero;
        ASSERT_EQ(rq(x, zero, 40, 200), expected_rq(x, zero, 40, 200)) << x << " zero " << zero;
      }
    }
  }
  EXPECT_EQ(rq(HUGE_VALF, 3, 0, 255), 255);
  EXPECT_EQ(rq(-HUGE_VALF, 3, 0, 255), 0);
  EXPECT_EQ(rq(3e9f, 3, 0, 255), 255);
  EXPECT_EQ(quantize_u8(NAN, 1, 77), 77);
}

struct ConvCase {
  Tensor x, w, bias, mult, z, lo, hi;
  int64_t group, sh, sw, dh, dw, top, left, bottom, right;
  AttrList attrs() const {
    return {{"group", group},
            {"strides", Ints{sh, sw}},
            {"dilations", Ints{dh, dw}},
            {"pads", Ints{top, left, bottom, right}}};
  }
};

ConvCase random_conv(Random& r) {
  ConvCase c;
  c.group = r.between(1, 3);
  int64_t channels = c.group * r.between(1, 6), outputs = c.group * r.between(1, 6);
  int64_t kh = r.between(1, 3), kw = r.between(1, 3);
  c.sh = r.between(1, 2), c.sw = r.between(1, 2), c.dh = r.between(1, 2), c.dw = r.between(1, 2);
  c.top = r.between(0, 2), c.left = r.between(0, 2), c.bottom = r.between(0, 2), c.right = r.between(0, 2);
  c.x = r.tensor<uint8_t>({r.between(1, 2), channels, r.between(5, 9), r.between(5, 9)}, 0, 255);
  c.w = r.tensor<int8_t>({outputs, channels / c.group, kh, kw}, -128, 127);
  c.bias = r.tensor<int32_t>({outputs}, -100000, 100000);
  c.mult = r.tensor<float>({outputs}, 0.0001, 0.002);
  std::vector<uint8_t> z, lo, hi;
  for (int64_t i = 0; i < channels; ++i) {
    lo.push_back(static_cast<uint8_t>(r.between(0, 100)));
    hi.push_back(static_cast<uint8_t>(r.between(150, 255)));
    z.push_back(static_cast<uint8_t>(r.between(lo.back(), hi.back())));
  }
  c.z = bytes({channels}, z), c.lo = bytes({channels}, lo), c.hi = bytes({channels}, hi);
  return c;
}

int64_t accumulator(const ConvCase& c, int64_t n, int64_t o, int64_t oy, int64_t ox) {
  const Shape &x = c.x.shape(), &w = c.w.shape();
  int64_t acc = c.bias.as<int32_t>()[o], group = o / (w[0] / c.group);
  for (int64_t i = 0; i < w[1]; ++i)
    for (int64_t ky = 0; ky < w[2]; ++ky)
      for (int64_t kx = 0; kx < w[3]; ++kx) {
        int64_t iy = oy * c.sh + ky * c.dh - c.top, ix = ox * c.sw + kx * c.dw - c.left, channel = group * w[1] + i;
        if (iy < 0 || iy >= x[2] || ix < 0 || ix >= x[3]) continue;
        int pixel = c.x.as<uint8_t>()[((n * x[1] + channel) * x[2] + iy) * x[3] + ix];
        pixel = std::min<int>(std::max<int>(pixel, c.lo.as<uint8_t>()[channel]), c.hi.as<uint8_t>()[channel]);
        acc += (pixel - c.z.as<uint8_t>()[channel]) * c.w.as<int8_t>()[((o * w[1] + i) * w[2] + ky) * w[3] + kx];
      }
  return acc;
}

TEST(QlConv, BytesInBytesOut) {
  Random r(11);
  for (int round = 0; round < 40; ++round) {
    ConvCase c = random_conv(r);
    AttrList attrs = c.attrs() + range(9, 5, 250) + AttrList{{"residual_mult", 0.37f}, {"residual_zero", int64_t{100}}};
    std::vector<Tensor> inputs = {c.x, c.w, c.bias, c.mult, c.z, c.lo, c.hi};
    Tensor plain = must("ql.Conv", inputs, attrs);
    inputs.push_back(r.tensor<uint8_t>(plain.shape(), 0, 255));
    Tensor added = must("ql.Conv", inputs, attrs);
    const Shape& y = plain.shape();
    for (int64_t i = 0; i < plain.count(); ++i) {
      int64_t o = i / (y[2] * y[3]) % y[1];
      int64_t acc = accumulator(c, i / (y[1] * y[2] * y[3]), o, i / y[3] % y[2], i % y[3]);
      float v = static_cast<float>(acc) * c.mult.as<float>()[o];
      ASSERT_EQ(plain.as<uint8_t>()[i], expected_rq(v, 9, 5, 250)) << "round " << round;
      float residual = static_cast<float>(inputs[7].as<uint8_t>()[i] - 100) * 0.37f;
      ASSERT_EQ(added.as<uint8_t>()[i], expected_rq(v + residual, 9, 5, 250)) << "round " << round;
    }
  }
}

TEST(QlConv, BytesInFloatsOut) {
  Random r(12);
  ConvCase c = random_conv(r);
  AttrList attrs = c.attrs() + AttrList{{"dtype", s("f32")}, {"act", s("leaky")}, {"alpha", 0.25f}};
  Tensor y = must("ql.Conv", {c.x, c.w, c.bias, c.mult, c.z, c.lo, c.hi}, attrs);
  for (int64_t i = 0; i < y.count(); ++i) {
    int64_t plane = y.shape()[2] * y.shape()[3], o = i / plane % y.shape()[1];
    int64_t acc = accumulator(c, i / plane / y.shape()[1], o, i / y.shape()[3] % y.shape()[2], i % y.shape()[3]);
    float v = static_cast<float>(acc) * c.mult.as<float>()[o];
    ASSERT_EQ(y.as<float>()[i], v < 0 ? v * 0.25f : v);
  }
}

TEST(QlConv,
     FloatsCarryBatchNormReluBefore) {  // ReLU(a x + b) = a (max(x, t) - t), t = -b / a, for a > 0; min for a < 0
  Random r(13);
  Tensor x = r.tensor<float>({1, 2, 4, 5}, -2, 2), w = r.tensor<float>({3, 2, 3, 3}, -1, 1),
         bias = floats({3}, {1, 2, 3});
  const float a[] = {2, -0.5f}, b[] = {1, 0.25f};
  std::vector<float> before(x.span<float>().begin(), x.span<float>().end());
  for (size_t i = 0; i < before.size(); ++i) before[i] = std::max(0.0f, a[i / 20] * before[i] + b[i / 20]);
  std::vector<float> folded(w.span<float>().begin(), w.span<float>().end());
  for (size_t i = 0; i < folded.size(); ++i) folded[i] *= a[i / 9 % 2];
  AttrList pads = {{"pads", Ints{1, 1, 1, 1}}}, clip = {{"act", s("clip")}, {"act_lo", 0.0f}, {"act_hi", 6.0f}};
  Tensor want = must("Conv", {floats(x.shape(), before), w, bias}, pads);
  Tensor t = floats({2}, {-b[0] / a[0], -b[1] / a[1]});
  Tensor lo = floats({2}, {t.as<float>()[0], -HUGE_VALF}), hi = floats({2}, {HUGE_VALF, t.as<float>()[1]});
  Tensor residual = r.tensor<float>(want.shape(), -1, 1);
  Tensor y = must("ql.Conv", {x, floats(w.shape(), folded), bias, Tensor(), t, lo, hi, residual}, pads + clip);
  for (int64_t i = 0; i < y.count(); ++i)
    ASSERT_NEAR(y.as<float>()[i], std::clamp(want.as<float>()[i] + residual.as<float>()[i], 0.0f, 6.0f), 2e-5);
}

TEST(QlConvTranspose, SumsTheTapsThatReachAPixel) {
  // One channel, kernel 3, stride 2: x - z = {1, 2}, w = {1, 10, 100}: 1 10 102 20 200, then bias 1 and zero 3.
  Tensor y = must("ql.ConvTranspose",
                  {bytes({1, 1, 1, 2}, {8, 9}), Tensor::from<int8_t>({1, 1, 1, 3}, std::vector<int8_t>{1, 10, 100}),
                   Tensor::from<int32_t>({1}, std::vector<int32_t>{1}), floats({1}, {0.5f}), bytes({1}, {7})},
                  AttrList{{"strides", Ints{1, 2}}, {"output_padding", Ints{0, 1}}} + range(3, 0, 255));
  // acc = 2 11 103 21 201 1; halves: 1 5.5 51.5 10.5 100.5 0.5, rounded to even.
  EXPECT_EQ(values<uint8_t>(y), (std::vector<uint8_t>{4, 9, 55, 13, 103, 3}));
}

TEST(QlConv, RefusesWhatDoesNotFit) {
  Random r(14);
  ConvCase c = random_conv(r);
  auto error = [&](std::vector<Tensor> inputs, const AttrList& more) {
    return error_of("ql.Conv", inputs, c.attrs() + more);
  };
  EXPECT_NE(error({c.x, c.w, c.bias}, {}).find("input 3 (mult) is absent"), std::string::npos);
  EXPECT_NE(error({c.x, c.w, c.mult, c.mult}, {}).find("expected element type s32"), std::string::npos);
  EXPECT_NE(error({c.x, c.w, c.bias, c.mult}, range(0, 20, 10)).find("out_lo is 20, above out_hi 10"),
            std::string::npos);
  EXPECT_NE(error({c.x, c.w, c.bias, c.mult}, range(256, 0, 255)).find("'out_zero' is 256"), std::string::npos);
  EXPECT_NE(error({c.x, c.w, c.bias, c.mult}, {{"dtype", s("s8")}}).find("dtype is 's8'"), std::string::npos);
  EXPECT_NE(error({c.x, c.w, c.bias, c.mult}, {{"act", s("gelu")}}).find("act is 'gelu'"), std::string::npos);
}

TEST(QlPixel, QuantizeAndDequantizePerChannel) {
  Tensor x = floats({1, 2, 3}, {0.5f, 1.5f, -1, NAN, 300, -300});
  EXPECT_EQ(values<uint8_t>(must("ql.Quantize", {x, floats({2}, {1, 0.5f}), bytes({2}, {10, 20})})),
            (std::vector<uint8_t>{10, 12, 9, 20, 170, 0}));
  EXPECT_EQ(
      values<float>(must("ql.Dequantize", {bytes({1, 2, 2}, {0, 255, 7, 9}), floats({2}, {0.5f, 2}), bytes({1}, {8})})),
      (std::vector<float>{-4, 123.5f, -2, 2}));
  EXPECT_NE(error_of("ql.Quantize", {x, floats({3}, {1, 1, 1}), bytes({1}, {0})}).find("expected [1] or [2]"),
            std::string::npos);
}

TEST(QlPixel, RequantizeLutAddMul) {
  Tensor a = bytes({1, 2, 1, 2}, {0, 100, 200, 255}), b = bytes({1, 2, 1, 2}, {10, 20, 30, 40});
  EXPECT_EQ(
      values<uint8_t>(must("ql.Requantize", {a, floats({2}, {0.5f, -1}), floats({1}, {0.5f}), bytes({2}, {50, 250})},
                           range(100, 0, 255))),
      (std::vector<uint8_t>{76, 126, 150, 96}));  // -24.5, 25.5, 50.5, -4.5
  std::vector<uint8_t> table(256);
  for (size_t i = 0; i < 256; ++i) table[i] = static_cast<uint8_t>(255 - i);
  EXPECT_EQ(values<uint8_t>(must("ql.Lut", {a, bytes({256}, table)})), (std::vector<uint8_t>{255, 155, 55, 0}));
  table.insert(table.end(), 256, 7);  // the second channel's
  EXPECT_EQ(values<uint8_t>(must("ql.Lut", {a, bytes({2, 256}, table)})), (std::vector<uint8_t>{255, 155, 7, 7}));
  EXPECT_NE(error_of("ql.Lut", {a, bytes({1, 256}, std::vector<uint8_t>(256))}).find("expected [2,256]"),
            std::string::npos);
  AttrList add = {{"a_mult", 0.25f}, {"a_zero", int64_t{100}}, {"b_mult", 0.5f}, {"b_zero", int64_t{10}}};
  EXPECT_EQ(values<uint8_t>(must("ql.Add", {a, b}, add + range(30, 6, 70))),
            (std::vector<uint8_t>{6, 35, 65, 70}));  // -25, 5, 35, 53.75
  AttrList mul = {{"mult", 0.125f}, {"a_zero", int64_t{100}}, {"b_zero", int64_t{20}}};
  EXPECT_EQ(values<uint8_t>(must("ql.Mul", {a, b}, mul + range(7, 0, 255))), (std::vector<uint8_t>{132, 7, 132, 255}));
  EXPECT_EQ(values<uint8_t>(must("ql.Mul", {a, bytes({1, 2, 1, 1}, {16, 24})}, mul + range(50, 0, 255))),
            (std::vector<uint8_t>{100, 50, 100, 128}));  // 77.5 rounds to 78
  EXPECT_NE(error_of("ql.Add", {a, bytes({1, 2, 1, 1}, {1, 2})}, add).find("expected [1,2,1,2]"), std::string::npos);
  EXPECT_NE(error_of("ql.Mul", {a, b}).find("attribute 'mult' is absent"), std::string::npos);
}

TEST(QlPool, AveragesInIntegers) {
  Tensor x = bytes({1, 1, 1, 3}, {13, 16, 20});
  AttrList attrs =
      AttrList{{"kernel_shape", Ints{1, 3}}, {"pads", Ints{0, 1, 0, 1}}, {"mult", 1.0f}, {"in_zero", int64_t{10}}} +
      range(10, 0, 255);
  // Differences 3 6 10: sums 9 19 16 over 2 3 2 taps, or over 3.
  EXPECT_EQ(values<uint8_t>(must("ql.AveragePool", {x}, attrs)), (std::vector<uint8_t>{14, 16, 18}));
  EXPECT_EQ(values<uint8_t>(must("ql.AveragePool", {x}, attrs + AttrList{{"count_include_pad", int64_t{1}}})),
            (std::vector<uint8_t>{13, 16, 15}));
  EXPECT_EQ(values<uint8_t>(must("ql.GlobalAveragePool", {x}, AttrList{{"mult", 3.0f}, {"in_zero", int64_t{10}}})),
            (std::vector<uint8_t>{19}));
}

TEST(QlPool, MeansInFloats) {
  Tensor x = bytes({1, 2, 1, 2}, {13, 16, 0, 255}), scale = floats({2}, {0.5f, 2}), zero = bytes({2}, {10, 255});
  EXPECT_EQ(values<float>(must("ql.DequantizedMean", {x, scale, zero})), (std::vector<float>{2.25f, -255}));
  EXPECT_NE(error_of("ql.DequantizedMean", {bytes({1, 1, 0, 2}, {}), floats({1}, {1}), bytes({1}, {0})})
                .find("input has no pixels"),
            std::string::npos);
}

}  // namespace
}  // namespace quadlane::test
