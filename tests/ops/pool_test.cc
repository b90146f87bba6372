// Pools against hand-computed values and against plain loops over an explicitly padded image.
#include <cmath>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

constexpr float kInf = HUGE_VALF;

TEST(MaxPool, HandComputed) {
  Tensor x = iota({1, 1, 4, 4});
  EXPECT_EQ(values<float>(must("MaxPool", {x}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}})),
            (std::vector<float>{5, 7, 13, 15}));
  EXPECT_EQ(values<float>(must("MaxPool", {x}, {{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{3, 3}}})),
            (std::vector<float>{15}));
  EXPECT_EQ(values<float>(must("MaxPool", {x},
                               {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}})),
            (std::vector<float>{10, 11, 14, 15}));
  EXPECT_EQ(values<float>(
                must("MaxPool", {floats({1, 1, 3}, {-3, -1, -2})}, {{"kernel_shape", Ints{2}}, {"pads", Ints{1, 1}}})),
            (std::vector<float>{-3, -1, -1, -2}));
}

TEST(MaxPool, Bytes) {  // padding never wins, whatever the sign
  AttrList attrs = {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}};
  EXPECT_EQ(values<uint8_t>(must("MaxPool", {bytes({1, 1, 4}, {7, 0, 255, 3})}, attrs)),
            (std::vector<uint8_t>{7, 255, 255, 255}));
  EXPECT_EQ(values<int8_t>(
                must("MaxPool", {Tensor::from<int8_t>({1, 1, 4}, std::vector<int8_t>{-7, -128, -5, -100})}, attrs)),
            (std::vector<int8_t>{-7, -5, -5, -5}));
}

TEST(AveragePool, CountsPadsOrNot) {
  Tensor x = floats({1, 1, 3}, {2, 4, 6});
  AttrList attrs = {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}};
  EXPECT_EQ(values<float>(must("AveragePool", {x}, attrs)), (std::vector<float>{3, 4, 5}));
  attrs.push_back({"count_include_pad", int64_t{1}});
  EXPECT_EQ(values<float>(must("AveragePool", {x}, attrs)), (std::vector<float>{2, 4, 10.0f / 3}));
}

TEST(AveragePool, CeilModeTapsBeyondThePaddingDoNotCount) {
  Tensor x = floats({1, 1, 4}, {2, 4, 6, 8});
  AttrList attrs = {{"kernel_shape", Ints{3}}, {"strides", Ints{2}}, {"ceil_mode", int64_t{1}}};
  EXPECT_EQ(values<float>(must("AveragePool", {x}, attrs)), (std::vector<float>{4, 7}));
  attrs.push_back({"count_include_pad", int64_t{1}});
  EXPECT_EQ(values<float>(must("AveragePool", {x}, attrs)), (std::vector<float>{4, 7}));
}

TEST(Pools, EqualTheirDefinition) {
  Random r(5);
  for (int round = 0; round < 60; ++round) {
    int64_t h = r.between(4, 12), w = r.between(4, 12), kh = r.between(1, 3), kw = r.between(1, 3);
    int64_t dh = r.between(1, 2), dw = r.between(1, 2), sh = r.between(1, 3), sw = r.between(1, 3);
    int64_t pad_h = r.between(0, dh * (kh - 1)), pad_w = r.between(0, dw * (kw - 1));
    bool count_pads = r.between(0, 1) != 0;
    if (h + 2 * pad_h < dh * (kh - 1) + 1 || w + 2 * pad_w < dw * (kw - 1) + 1) continue;
    Tensor x = r.tensor<float>({2, 3, h, w}, -9, 9);
    AttrList attrs = {{"kernel_shape", Ints{kh, kw}},
                      {"strides", Ints{sh, sw}},
                      {"dilations", Ints{dh, dw}},
                      {"pads", Ints{pad_h, pad_w, pad_h, pad_w}}};
    Tensor highest = must("MaxPool", {x}, attrs);
    attrs.push_back({"count_include_pad", int64_t{count_pads}});
    Tensor mean = must("AveragePool", {x}, attrs);
    int64_t oh = (h + 2 * pad_h - dh * (kh - 1) - 1) / sh + 1, ow = (w + 2 * pad_w - dw * (kw - 1) - 1) / sw + 1;
    ASSERT_EQ(highest.shape(), (Shape{2, 3, oh, ow}));
    for (int64_t i = 0; i < highest.count(); ++i) {
      int64_t plane = i / (oh * ow), oy = i / ow % oh, ox = i % ow, count = 0;
      float top = -kInf;
      double sum = 0;
      for (int64_t k = 0; k < kh * kw; ++k) {
        int64_t y = oy * sh - pad_h + k / kw * dh, z = ox * sw - pad_w + k % kw * dw;
        if (y < 0 || y >= h || z < 0 || z >= w) continue;
        float v = x.as<float>()[(plane * h + y) * w + z];
        top = std::max(top, v), sum += v, ++count;
      }
      if (count_pads) count = kh * kw;
      ASSERT_EQ(highest.as<float>()[i], top);
      ASSERT_FLOAT_EQ(mean.as<float>()[i], static_cast<float>(count ? sum / static_cast<double>(count) : 0.0));
    }
  }
}

TEST(GlobalPools, AnyRank) {
  Tensor x = iota({1, 2, 2, 3});
  EXPECT_EQ(values<float>(must("GlobalAveragePool", {x})), (std::vector<float>{2.5f, 8.5f}));
  EXPECT_EQ(values<float>(must("GlobalMaxPool", {x})), (std::vector<float>{5, 11}));
  EXPECT_EQ(must("GlobalMaxPool", {iota({2, 1, 3, 1, 2})}).shape(), (Shape{2, 1, 1, 1, 1}));
}

TEST(Pools, RefuseWhatDoesNotFit) {
  Tensor x = iota({1, 1, 4, 4});
  auto error = [&](const AttrList& attrs) { return error_of("MaxPool", {x}, attrs); };
  EXPECT_NE(error({}).find("kernel_shape has 0 entries, the input has 2 spatial axes"), std::string::npos);
  EXPECT_NE(error({{"kernel_shape", Ints{0, 1}}}).find("kernel has an entry 0"), std::string::npos);
  EXPECT_NE(error({{"kernel_shape", Ints{5, 1}}}).find("reaches over 5 pixels, the padded input has 4"),
            std::string::npos);
  EXPECT_NE(error({{"kernel_shape", Ints{2, 2}}, {"pads", Ints{2, 0, 0, 0}}}).find("pad 2 is not below the 2 pixels"),
            std::string::npos);
  EXPECT_NE(error({{"kernel_shape", Ints{2, 2}}, {"ceil_mode", int64_t{7}}}).find("attribute 'ceil_mode' is 7"),
            std::string::npos);
  EXPECT_NE(error({{"kernel_shape", Ints{2, 2}}, {"outputs", int64_t{3}}}).find("attribute 'outputs' is 3"),
            std::string::npos);
}

}  // namespace
}  // namespace quadlane::test
