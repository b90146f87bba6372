#include "engine/base/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

namespace quadlane {
namespace {

TEST(Half, EveryPatternSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    Half half{static_cast<uint16_t>(bits)};
    float f = half_to_float(half);
    if (std::isnan(f)) continue;
    EXPECT_EQ(float_to_half(f).bits, half.bits) << bits;
  }
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(NAN))));
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float_to_half(1.0f + 0x1p-11f).bits, 0x3c00);      // half way: down to even
  EXPECT_EQ(float_to_half(1.0f + 3 * 0x1p-11f).bits, 0x3c02);  // half way: up to even
  EXPECT_EQ(float_to_half(65520.0f).bits, 0x7c00);             // overflow
  EXPECT_EQ(float_to_half(65519.0f).bits, 0x7bff);
  EXPECT_EQ(float_to_half(0x1p-25f).bits, 0);  // half of the smallest subnormal: to even
  EXPECT_EQ(float_to_half(-0x1.8p-25f).bits, 0x8001);
}

TEST(Shape, CountsAndLimits) {
  EXPECT_EQ(*element_count({2, 3, 4}), 24);
  EXPECT_EQ(*element_count({}), 1);
  EXPECT_EQ(*element_count({5, 0, 7}), 0);
  EXPECT_FALSE(element_count({INT64_MAX, 0, INT64_MAX}).ok()) << "extents beside a zero are limited too";
  EXPECT_FALSE(element_count({-1}).ok());
  EXPECT_FALSE(element_count({INT64_MAX, INT64_MAX}).ok());
  EXPECT_FALSE(element_count({1, 1, 1, 1, 1, 1, 1, 1, 1}).ok());
}

TEST(Tensor, CopiesShareUntilOneChanges) {
  Tensor a = Tensor::from<int32_t>({3}, std::vector<int32_t>{1, 2, 3}), b = a;
  EXPECT_EQ(a.data(), b.data());
  b.mutate<int32_t>()[0] = 9;
  EXPECT_EQ(a.as<int32_t>()[0], 1);
  EXPECT_EQ(b.as<int32_t>()[0], 9);
}

TEST(Error, TextReadsFromTheOutsideIn) {
  Status s = invalid_model("weights have ", 64, " channels, the input has ", 48);
  s = std::move(s).context("node 'up2/conv' (Conv)").context("model.onnx");
  EXPECT_EQ(s.error().text(), "model.onnx: node 'up2/conv' (Conv): weights have 64 channels, the input has 48");
}

}  // namespace
}  // namespace quadlane
