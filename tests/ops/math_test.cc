// MatMul, Gemm, Softmax, the normalizations, QuantizeLinear and DequantizeLinear.
#include <cmath>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

TEST(MatMul, BroadcastsLikeNumpy) {
  Tensor a = iota({2, 1, 2, 3}), b = iota({3, 3, 2});
  Tensor y = must("MatMul", {a, b});
  ASSERT_EQ(y.shape(), (Shape{2, 3, 2, 2}));
  for (int64_t i = 0; i < y.count(); ++i) {
    int64_t left = i / 12, right = i / 4 % 3, row = i / 2 % 2, column = i % 2;
    float want = 0;
    for (int64_t k = 0; k < 3; ++k)
      want += a.as<float>()[(left * 2 + row) * 3 + k] * b.as<float>()[(right * 3 + k) * 2 + column];
    ASSERT_EQ(y.as<float>()[i], want);
  }
  EXPECT_EQ(must("MatMul", {iota({3}), iota({3})}).shape(), Shape{});
  EXPECT_EQ(values<float>(must("MatMul", {iota({3}), iota({3, 2})})), (std::vector<float>{10, 13}));
  EXPECT_EQ(values<float>(must("MatMul", {iota({2, 3}), iota({3})})), (std::vector<float>{5, 14}));
  EXPECT_NE(error_of("MatMul", {iota({2, 3}), iota({2, 3})}).find("has 3 columns, the right one [2,3] has 2 rows"),
            std::string::npos);
  EXPECT_NE(error_of("MatMul", {iota({2, 2, 3}), iota({3, 3, 2})}).find("do not broadcast"), std::string::npos);
}

TEST(Gemm, TransposesScalesAndBroadcasts) {
  Tensor a = floats({2, 3}, {1, 2, 3, 4, 5, 6}), at = floats({3, 2}, {1, 4, 2, 5, 3, 6});
  Tensor b = floats({3, 2}, {1, 2, 3, 4, 5, 6}), bt = floats({2, 3}, {1, 3, 5, 2, 4, 6});
  std::vector<float> product = {22, 28, 49, 64};
  for (int64_t i = 0; i < 4; ++i)
    EXPECT_EQ(values<float>(must("Gemm", {i & 1 ? at : a, i & 2 ? bt : b}, {{"transA", i & 1}, {"transB", i >> 1}})),
              product);
  AttrList attrs = {{"alpha", 2.0f}, {"beta", 0.5f}};
  auto with = [&](const Tensor& c) { return values<float>(must("Gemm", {a, b, c}, attrs)); };
  EXPECT_EQ(with(floats({2}, {2, 4})), (std::vector<float>{45, 58, 99, 130}));
  EXPECT_EQ(with(floats({2, 1}, {2, 4})), (std::vector<float>{45, 57, 100, 130}));
  EXPECT_EQ(with(floats({}, {2})), (std::vector<float>{45, 57, 99, 129}));
  EXPECT_NE(error_of("Gemm", {a, b, floats({3}, {0, 0, 0})}).find("C [3] does not broadcast to [2,2]"),
            std::string::npos);
  EXPECT_NE(error_of("Gemm", {a, bt}).find("A [2,3] has depth 3, B [2,3] has 2"), std::string::npos);
}

TEST(MatMul, IntegersModulo2ToTheN) {
  auto product = [&]<class T>(T large) {
    const Tensor a = Tensor::from<T>({1, 2}, std::vector<T>{large, 3}),
                 b = Tensor::from<T>({2, 1}, std::vector<T>{2, 5});
    return values<T>(must("MatMul", {a, b}))[0];
  };
  EXPECT_EQ(product(int32_t{-7}), 1);
  EXPECT_EQ(product(INT32_MAX), 13);  // -2 + 15
  EXPECT_EQ(product(UINT32_MAX), 13U);
  EXPECT_EQ(product(int64_t{1} << 60), (int64_t{1} << 61) + 15);
  EXPECT_EQ(product(UINT64_MAX), 13U);
  EXPECT_NE(error_of("MatMul", {iota({2, 2}), Tensor::from<int64_t>({2, 1}, Ints{1, 2})}), "");
  const Tensor bytes = Tensor::from<uint8_t>({1, 1}, std::vector<uint8_t>{1});
  EXPECT_NE(error_of("MatMul", {bytes, bytes}), "");
}

// Values that f32 cannot hold.
TEST(MatMul, Doubles) {
  const double fine = 1 + 0x1p-40;
  auto doubles = [](const Shape& shape, std::vector<double> v) { return Tensor::from<double>(shape, v); };
  const Tensor a = doubles({1, 2}, {fine, 1}), b = doubles({2, 1}, {3, -3});
  EXPECT_EQ(values<double>(must("MatMul", {a, b}))[0], 3 * fine - 3);
  EXPECT_EQ(values<double>(must("Gemm", {a, b, doubles({1}, {fine})}, {{"beta", 2.0f}}))[0], 5 * fine - 3);
  EXPECT_NE(error_of("Gemm", {a, b, iota({1})}), "");
  const Tensor x = doubles({1, 2}, {0, std::log(fine)});
  EXPECT_DOUBLE_EQ(values<double>(must("Softmax", {x}))[1], fine / (1 + fine));
  EXPECT_DOUBLE_EQ(values<double>(must("LogSoftmax", {x}))[0], -std::log(1 + fine));
}

TEST(Softmax, AnyAxisAndLargeValues) {
  Tensor x = floats({2, 2}, {0, std::log(3.0f), 1000, 1000});
  std::vector<float> rows = values<float>(must("Softmax", {x}));
  EXPECT_FLOAT_EQ(rows[0], 0.25f);
  EXPECT_FLOAT_EQ(rows[1], 0.75f);
  EXPECT_EQ(rows[2], 0.5f);
  std::vector<float> columns = values<float>(must("Softmax", {x}, {{"axis", int64_t{0}}}));
  EXPECT_EQ(columns[0], 0);
  EXPECT_EQ(columns[2], 1);
  EXPECT_FLOAT_EQ(values<float>(must("LogSoftmax", {x}))[2], std::log(0.5f));
  EXPECT_NE(error_of("Softmax", {x}, {{"axis", int64_t{2}}}).find("axis 2 does not exist in rank 2"),
            std::string::npos);
}

TEST(Normalization, BatchAndInstance) {
  Tensor x = floats({1, 2, 2}, {1, 3, 10, 30}), scale = floats({2}, {2, 1}), bias = floats({2}, {5, 0});
  AttrList exact = {{"epsilon", 0.0f}};
  Tensor y = must("BatchNormalization", {x, scale, bias, floats({2}, {1, 10}), floats({2}, {4, 25})}, exact);
  EXPECT_EQ(values<float>(y), (std::vector<float>{5, 7, 0, 4}));
  EXPECT_EQ(values<float>(must("InstanceNormalization", {x, scale, bias}, exact)), (std::vector<float>{3, 7, -1, 1}));
  EXPECT_NE(error_of("BatchNormalization", {x, scale, bias, scale, iota({3})}).find("shape [3], expected [2]"),
            std::string::npos);
}

TEST(QuantizeLinear, RoundsHalfToEvenAndSaturates) {
  Tensor x = floats({7}, {1, 3, 5, -1, 1000, -1000, NAN}), scale = floats({}, {2});
  EXPECT_EQ(values<uint8_t>(must("QuantizeLinear", {x, scale, bytes({}, {10})})),
            (std::vector<uint8_t>{10, 12, 12, 10, 255, 0, 10}));
  EXPECT_EQ(values<uint8_t>(must("QuantizeLinear", {x, scale})), (std::vector<uint8_t>{0, 2, 2, 0, 255, 0, 0}));
  EXPECT_EQ(values<int8_t>(must("QuantizeLinear", {x, scale, Tensor::scalar<int8_t>(-128)})),
            (std::vector<int8_t>{-128, -126, -126, -128, 127, -128, -128}));
}

TEST(QuantizeLinear, SixteenBits) {
  Tensor x = floats({3}, {1e6f, -1e6f, 2.5f}), scale = floats({}, {1});
  EXPECT_EQ(values<uint16_t>(must("QuantizeLinear", {x, scale}, {{"output_dtype", int64_t{4}}})),
            (std::vector<uint16_t>{65535, 0, 2}));
  EXPECT_EQ(values<int16_t>(must("QuantizeLinear", {x, scale, Tensor::scalar<int16_t>(7)})),
            (std::vector<int16_t>{32767, -32768, 9}));
  EXPECT_NE(error_of("QuantizeLinear", {x, scale, bytes({}, {1})}, {{"output_dtype", int64_t{5}}})
                .find("output_dtype is s16, the zero point is u8"),
            std::string::npos);
}

TEST(QuantizeLinear, DividesByTheScale) {
  Random r(21);
  Tensor x = r.tensor<float>({500}, -10, 10), scale = floats({1}, {0.0371f});
  Tensor y = must("QuantizeLinear", {x, scale, bytes({1}, {128})});
  for (int64_t i = 0; i < x.count(); ++i)
    ASSERT_EQ(y.as<uint8_t>()[i],
              std::clamp(static_cast<int>(std::nearbyint(x.as<float>()[i] / 0.0371f)) + 128, 0, 255));
}

TEST(QuantizeLinear, PerAxis) {
  Tensor x = floats({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), scale = floats({2}, {1, 0.5f});
  EXPECT_EQ(values<uint8_t>(must("QuantizeLinear", {x, scale, bytes({2}, {0, 1})})),
            (std::vector<uint8_t>{1, 2, 7, 9, 5, 6, 15, 17}));
  EXPECT_EQ(values<uint8_t>(must("QuantizeLinear", {x, scale, bytes({2}, {0, 1})}, {{"axis", int64_t{-3}}})),
            (std::vector<uint8_t>{1, 2, 3, 4, 11, 13, 15, 17}));
  EXPECT_NE(
      error_of("QuantizeLinear", {x, floats({3}, {1, 1, 1})}).find("scale has 3 entries, axis 1 of the input has 2"),
      std::string::npos);
}

TEST(DequantizeLinear, EveryIntegerType) {
  EXPECT_EQ(values<float>(must("DequantizeLinear", {bytes({2}, {0, 255}), floats({}, {0.5f}), bytes({}, {128})})),
            (std::vector<float>{-64, 63.5f}));
  Tensor s8 = Tensor::from<int8_t>({2, 1}, std::vector<int8_t>{-128, 127});
  EXPECT_EQ(values<float>(must("DequantizeLinear", {s8, floats({2}, {1, 2})}, {{"axis", int64_t{0}}})),
            (std::vector<float>{-128, 254}));
  Tensor s32 = Tensor::from<int32_t>({2}, std::vector<int32_t>{INT32_MIN, 3});
  EXPECT_EQ(values<float>(must("DequantizeLinear", {s32, floats({}, {0.5f})})), (std::vector<float>{-0x1p30f, 1.5f}));
  EXPECT_NE(error_of("DequantizeLinear", {s8, floats({}, {1}), bytes({}, {0})}).find("expected element type s8"),
            std::string::npos);
}

}  // namespace
}  // namespace quadlane::test
