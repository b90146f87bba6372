// Operators of dynamic quantization and ql.MatMul: small cases by hand, and what they refuse.
#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

template <class T>
Tensor t(const Shape& shape, std::vector<T> values) {
  return Tensor::from<T>(shape, values);
}

TEST(DynamicQuantizeLinear, RangesHoldZero) {
  // -1 .. 254 in 255 steps of 1: zero point 1. Only positive or nothing but zeros: zero point 0.
  Tensor y = must("DynamicQuantizeLinear", {t<float>({4}, {-1, 0, 0.5f, 254})});
  EXPECT_EQ(to_ints(y.view()), (Ints{0, 1, 1, 255}));
  EXPECT_EQ(to_ints(must("DynamicQuantizeLinear", {t<float>({2}, {51, 255})}).view()), (Ints{51, 255}));
  EXPECT_EQ(to_ints(must("DynamicQuantizeLinear", {t<float>({2}, {0, 0})}).view()), (Ints{0, 0}));
}

TEST(ConvInteger, PaddingIsTheZeroPoint) {
  Tensor y = must("ConvInteger",
                  {t<uint8_t>({1, 1, 1, 2}, {10, 20}), t<uint8_t>({1, 1, 1, 3}, {1, 2, 5}), Tensor::scalar<uint8_t>(12),
                   Tensor::scalar<uint8_t>(2)},
                  {{"pads", Ints{0, 1, 0, 1}}});
  EXPECT_EQ(to_ints(y.view()), (Ints{-2 * 0 + 8 * 3, -2 * -1 + 8 * 0}));
  EXPECT_NE(error_of("ConvInteger", {t<uint8_t>({1, 1, 1, 2}, {10, 20}), t<uint8_t>({1, 1, 1, 3}, {1, 2, 5}),
                                     t<uint8_t>({2}, {1, 2})}),
            "");
}

TEST(MatMulInteger, ZeroPointsOfRowsAndColumns) {
  Tensor a = t<uint8_t>({2, 2}, {1, 2, 3, 4}), b = t<int8_t>({2, 2}, {5, -6, 7, 8});
  Tensor y = must("MatMulInteger", {a, b, t<uint8_t>({2}, {1, 3}), t<int8_t>({2}, {5, -6})});
  EXPECT_EQ(to_ints(y.view()), (Ints{1 * 2, 1 * 14, 1 * 2, 1 * 14}));
  EXPECT_NE(error_of("MatMulInteger", {a, b, t<int8_t>({}, {1})}), "");  // the zero point of another type
}

TEST(QlMatMul, BytesFloatsAndRefusals) {
  Tensor a = t<uint8_t>({1, 2}, {10, 200}), b = t<uint8_t>({2, 2}, {1, 255, 3, 0}), mult = t<float>({1}, {0.5f});
  const AttrList zeros{{"a_zero", int64_t{100}}, {"b_zero", Ints{2, 0}}};
  // Column 0: -90 * -1 + 100 * 1 + 7 = 197; column 1: -90 * 255 - 1 = -22951.
  Tensor bias = t<int32_t>({2}, {7, -1});
  EXPECT_EQ(to_ints(must("ql.MatMul", {a, b, mult, bias}, zeros).view()), (Ints{98, 0}));  // 98.5 to even
  AttrList f32 = zeros;
  f32.push_back({"dtype", std::string("f32")});
  Tensor y = must("ql.MatMul", {a, b, mult, bias, t<float>({2}, {0.25f, 1})}, f32);
  EXPECT_EQ(y.as<float>()[0], 98.75f);
  EXPECT_EQ(y.as<float>()[1], -11474.5f);
  EXPECT_NE(error_of("ql.MatMul", {a, b, mult, bias, t<float>({2}, {0, 0})}, zeros), "");  // a shift of bytes
  EXPECT_NE(error_of("ql.MatMul", {a, b, mult}, {{"b_zero", Ints{1, 2, 3}}}), "");
  EXPECT_NE(error_of("ql.MatMul", {a, b, mult}, {{"b_zero", Ints{256}}}), "");
}

TEST(QlConv, RunTimeScaleAndWideWeights) {
  Tensor x = t<uint8_t>({1, 1, 1, 2}, {10, 20}), w = t<int16_t>({1, 1, 1, 1}, {-255}), none;
  Tensor bias = t<int32_t>({1}, {0}), mult = t<float>({1}, {0.5f}), scale = Tensor::scalar(2.0f);
  Tensor zero = Tensor::scalar<uint8_t>(12), shift = t<float>({1}, {3});
  const AttrList f32{{"dtype", std::string("f32")}};
  Tensor y = must("ql.Conv", {x, w, bias, mult, none, none, none, none, scale, zero, shift}, f32);
  EXPECT_EQ(y.as<float>()[0], 513.0f);    // -2 * -255 + 3
  EXPECT_EQ(y.as<float>()[1], -2037.0f);  // 8 * -255 + 3
  EXPECT_NE(error_of("ql.Conv", {x, t<int16_t>({1, 1, 1, 1}, {256}), bias, mult}, f32), "");
  EXPECT_NE(error_of("ql.Conv", {x, w, bias, mult, none, none, none, none, scale}, f32), "");
  EXPECT_NE(error_of("ql.Conv", {x, w, bias, mult, zero.reshaped({1}), none, none, none, scale, zero}, f32), "");
}

}  // namespace
}  // namespace quadlane::test
