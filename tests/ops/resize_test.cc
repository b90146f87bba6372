// Resize and ql.Resize: hand-computed values for every coordinate mode, and properties that tie the modes together.
#include "ops/resize_axis.h"
#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

std::string s(const char* text) { return text; }

// Resizes a row by sizes (or by scales when `size` is 0).
std::vector<float> row(std::vector<float> x, int64_t size, float scale, AttrList attrs) {
  int64_t n = static_cast<int64_t>(x.size());
  Tensor scales = size ? Tensor() : floats({3}, {1, 1, scale});
  Tensor sizes = size ? Tensor::from<int64_t>({3}, Ints{1, 1, size}) : Tensor();
  return values<float>(must("Resize", {floats({1, 1, n}, std::move(x)), Tensor(), scales, sizes}, attrs));
}

TEST(Resize, NearestModes) {
  auto with = [&](const char* coordinates, const char* nearest) {
    return row({0, 1, 2, 3}, 2, 0, {{"coordinate_transformation_mode", s(coordinates)}, {"nearest_mode", s(nearest)}});
  };
  // Source coordinates: half_pixel 0.5, 2.5; asymmetric 0, 2; align_corners 0, 3; tf_half_pixel_for_nn 1, 3.
  EXPECT_EQ(with("half_pixel", "round_prefer_floor"), (std::vector<float>{0, 2}));
  EXPECT_EQ(with("half_pixel", "round_prefer_ceil"), (std::vector<float>{1, 3}));
  EXPECT_EQ(with("half_pixel", "floor"), (std::vector<float>{0, 2}));
  EXPECT_EQ(with("half_pixel", "ceil"), (std::vector<float>{1, 3}));
  EXPECT_EQ(with("asymmetric", "floor"), (std::vector<float>{0, 2}));
  EXPECT_EQ(with("align_corners", "floor"), (std::vector<float>{0, 3}));
  EXPECT_EQ(with("tf_half_pixel_for_nn", "floor"), (std::vector<float>{1, 3}));
}

TEST(Resize, LinearModes) {
  auto with = [&](const char* coordinates) {
    return row({0, 4}, 4, 0, {{"mode", s("linear")}, {"coordinate_transformation_mode", s(coordinates)}});
  };
  EXPECT_EQ(with("half_pixel"), (std::vector<float>{0, 1, 3, 4}));
  EXPECT_EQ(with("pytorch_half_pixel"), (std::vector<float>{0, 1, 3, 4}));
  EXPECT_EQ(with("half_pixel_symmetric"), (std::vector<float>{0, 1, 3, 4}));
  EXPECT_EQ(with("asymmetric"), (std::vector<float>{0, 2, 4, 4}));
  std::vector<float> corners = with("align_corners");
  for (int i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(corners[static_cast<size_t>(i)], 4.0f * static_cast<float>(i) / 3);
}

// As ONNX Runtime 1.30 rounds: towards zero, in f32, and in 1024ths where channels of bytes come last.
TEST(Resize, LinearIntegers) {
  auto resized = [](const Tensor& x, const Ints& sizes) {
    const Tensor to = Tensor::from<int64_t>({static_cast<int64_t>(sizes.size())}, sizes);
    return must("Resize", {x, Tensor(), Tensor(), to}, {{"mode", s("linear")}});
  };
  const std::vector<uint8_t> bytes{200, 201, 255, 0, 7, 100};
  const std::vector<uint8_t> larger{200, 200, 201, 233, 255, 100, 101, 104, 148, 177, 0, 2, 7, 62, 100};
  EXPECT_EQ(values<uint8_t>(resized(Tensor::from<uint8_t>({2, 3}, bytes), {3, 5})), larger);
  EXPECT_EQ(values<uint8_t>(resized(Tensor::from<uint8_t>({1, 2, 3, 1}, bytes), {1, 3, 5, 1})), larger);
  EXPECT_EQ(
      values<int8_t>(resized(Tensor::from<int8_t>({2, 3}, std::vector<int8_t>{-100, 101, -127, 0, 7, 100}), {3, 5})),
      (std::vector<int8_t>{-100, -19, 101, -35, -127, -50, -8, 54, 13, -13, 0, 2, 7, 62, 100}));
  EXPECT_EQ(
      values<int32_t>(resized(
          Tensor::from<int32_t>({2, 2, 2}, std::vector<int32_t>{16777217, -5, 7, 8, -9, 100, 2, -3}), {3, 2, 3})),
      (std::vector<int32_t>{16777216, 8388605, -5, 7, 7, 8, 8388603, 4194325, 47, 4, 3, 2, -9, 45, 100, 2, 0, -3}));
  EXPECT_EQ(
      error_of("Resize", {Tensor::from<uint8_t>({6}, bytes), Tensor(), Tensor(), Tensor::from<int64_t>({1}, Ints{9})},
               {{"mode", s("linear")}}),
      "node 'n' (Resize): input 0 is u8[6], integers are interpolated along 2 or 3 neighbouring axes only");
}

TEST(Resize, OnePixelOutputs) {
  auto with = [&](const char* coordinates) {
    return row({1, 2, 4}, 1, 0, {{"mode", s("linear")}, {"coordinate_transformation_mode", s(coordinates)}})[0];
  };
  EXPECT_EQ(with("half_pixel"), 2);          // the centre
  EXPECT_EQ(with("pytorch_half_pixel"), 1);  // defined as 0
  EXPECT_EQ(with("align_corners"), 1);
}

TEST(Resize, HalfPixelSymmetricKeepsTheCentre) {  // 4 * 0.6 = 2.4 is cut to 2: sources 0.667, 2.333 become mirrored
  auto y = row({0, 1, 2, 3}, 0, 0.6f,
               {{"mode", s("linear")}, {"coordinate_transformation_mode", s("half_pixel_symmetric")}});
  ASSERT_EQ(y.size(), 2u);
  EXPECT_NEAR(y[0] + y[1], 3, 1e-6);
  EXPECT_NEAR(y[1] - y[0], 1 / 0.6, 1e-6);
}

TEST(Resize, ScalesRoundTheExtentDownInFloat) {
  EXPECT_EQ(row({0, 1, 2}, 0, 1.0f / 3, {}).size(), 1u);
  EXPECT_EQ(row({0, 1, 2}, 0, 7.0f / 3, {}).size(), 7u);
  EXPECT_EQ(row({0, 1, 2}, 0, 0.99f, {}).size(), 2u);
}

TEST(Resize, CropAndExtrapolate) {
  AttrList attrs = {{"mode", s("linear")},
                    {"coordinate_transformation_mode", s("tf_crop_and_resize")},
                    {"extrapolation_value", 9.0f},
                    {"axes", Ints{2}}};
  Tensor y = must(
      "Resize",
      {floats({1, 1, 5}, {0, 1, 2, 3, 4}), floats({2}, {0.25f, 1.25f}), Tensor(), Tensor::from<int64_t>({1}, Ints{5})},
      attrs);
  EXPECT_EQ(values<float>(y), (std::vector<float>{1, 2, 3, 4, 9}));
}

TEST(Resize, AxesAreIndependent) {
  Random r(7);
  Tensor x = r.tensor<float>({2, 3, 5, 4}, -1, 1);
  AttrList attrs = {{"mode", s("linear")}, {"axes", Ints{-2, 3}}};
  Tensor both = must("Resize", {x, Tensor(), Tensor(), Tensor::from<int64_t>({2}, Ints{7, 9})}, attrs);
  ASSERT_EQ(both.shape(), (Shape{2, 3, 7, 9}));
  attrs[1].second = Ints{2};
  Tensor rows = must("Resize", {x, Tensor(), Tensor(), Tensor::from<int64_t>({1}, Ints{7})}, attrs);
  attrs[1].second = Ints{3};
  Tensor then = must("Resize", {rows, Tensor(), Tensor(), Tensor::from<int64_t>({1}, Ints{9})}, attrs);
  for (int64_t i = 0; i < both.count(); ++i) ASSERT_NEAR(both.as<float>()[i], then.as<float>()[i], 1e-6);
}

TEST(Resize, KeepsTheAspectRatio) {
  auto shape = [](const char* policy) {
    return must("Resize", {iota({1, 1, 2, 4}), Tensor(), Tensor(), Tensor::from<int64_t>({2}, Ints{7, 10})},
                {{"axes", Ints{2, 3}}, {"keep_aspect_ratio_policy", s(policy)}})
        .shape();
  };
  EXPECT_EQ(shape("stretch"), (Shape{1, 1, 7, 10}));
  EXPECT_EQ(shape("not_larger"), (Shape{1, 1, 5, 10}));
  EXPECT_EQ(shape("not_smaller"), (Shape{1, 1, 7, 14}));
}

TEST(Resize, CubicKeepsLinesAndIdentity) {  // the cubic kernel of any `a` reproduces constants, of -0.5 also lines
  std::vector<float> line(12);
  for (size_t i = 0; i < line.size(); ++i) line[i] = static_cast<float>(i);
  AttrList attrs = {
      {"mode", s("cubic")}, {"coordinate_transformation_mode", s("asymmetric")}, {"cubic_coeff_a", -0.5f}};
  auto y = row(line, 24, 0, attrs);
  for (size_t i = 2; i < 20; ++i) EXPECT_NEAR(y[i], 0.5 * static_cast<double>(i), 1e-5);
  EXPECT_EQ(row(line, 12, 0, attrs), line);
  attrs.push_back({"exclude_outside", int64_t{1}});
  for (float v : row(std::vector<float>(5, 3.0f), 11, 0, attrs)) EXPECT_NEAR(v, 3, 1e-6);
}

TEST(Resize, RefusesWhatDoesNotFit) {
  Tensor x = iota({1, 1, 4, 4}), none;
  auto error = [&](const Tensor& roi, const Tensor& scales, const Tensor& sizes, const AttrList& attrs = {}) {
    return error_of("Resize", {x, roi, scales, sizes}, attrs);
  };
  EXPECT_NE(error(none, none, none).find("has neither scales nor sizes"), std::string::npos);
  EXPECT_NE(error(none, floats({2}, {2, 2}), none).find("scales has 2 entries, expected 4"), std::string::npos);
  EXPECT_NE(error(none, floats({4}, {1, 1, 0, 2}), none).find("scale is 0"), std::string::npos);
  EXPECT_NE(error(none, floats({4}, {1, 1, NAN, 2}), none).find("scale is nan"), std::string::npos);
  EXPECT_NE(error(none, floats({4}, {1, 1, 1e30f, 2}), none).find("too large"), std::string::npos);
  EXPECT_NE(error(none, none, Tensor::from<int64_t>({4}, Ints{1, 1, -2, 2})).find("size is -2"), std::string::npos);
  Tensor scales = floats({4}, {1, 1, 2, 2});
  EXPECT_NE(error(none, scales, none, {{"mode", s("area")}}).find("mode is 'area'"), std::string::npos);
  EXPECT_NE(error(none, scales, none, {{"antialias", int64_t{2}}}).find("attribute 'antialias' is 2"),
            std::string::npos);
  EXPECT_NE(error(none, scales, none, {{"axes", Ints{0, 1, 2, 2}}}).find("axis 2 is listed twice"), std::string::npos);
  EXPECT_NE(error(none, scales, none, {{"coordinate_transformation_mode", s("tf_crop_and_resize")}}).find("roi"),
            std::string::npos);
}

AttrList ql_attrs(int64_t oh, int64_t ow, float sh, float sw, const char* mode, const char* coordinates) {
  return {{"sizes", Ints{oh, ow}},
          {"scales", std::vector<float>{sh, sw}},
          {"mode", s(mode)},
          {"coordinate_transformation_mode", s(coordinates)},
          {"nearest_mode", s("floor")}};
}

TEST(QlResize, DoubleHalfPixelIsNineThreeThreeOne) {
  Random r(8);
  Tensor x = r.tensor<uint8_t>({1, 2, 6, 5}, 0, 255);
  Tensor y = must("ql.Resize", {x}, ql_attrs(12, 10, 2, 2, "linear", "half_pixel"));
  for (int64_t i = 0; i < y.count(); ++i) {
    int64_t plane = i / 120, oy = i / 10 % 12, ox = i % 10;
    auto at = [&](int64_t row, int64_t column) -> int {
      return x.as<uint8_t>()[(plane * 6 + std::clamp<int64_t>(row, 0, 5)) * 5 + std::clamp<int64_t>(column, 0, 4)];
    };
    int64_t ny = oy / 2, nx = ox / 2, fy = oy % 2 ? ny + 1 : ny - 1, fx = ox % 2 ? nx + 1 : nx - 1;
    int sum = 9 * at(ny, nx) + 3 * at(ny, fx) + 3 * at(fy, nx) + at(fy, fx);
    ASSERT_EQ(y.as<uint8_t>()[i], (sum + 7 + ((sum >> 4) & 1)) >> 4);
  }
}

TEST(QlResize, LinearIsCloseToTheFloatResize) {
  Random r(9);
  for (const char* mode : {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"})
    for (int round = 0; round < 5; ++round) {
      int64_t h = r.between(1, 7), w = r.between(1, 7), oh = r.between(1, 15), ow = r.between(1, 15);
      Tensor x = r.tensor<uint8_t>({1, 1, h, w}, 0, 255);
      std::vector<float> real(x.span<uint8_t>().begin(), x.span<uint8_t>().end());
      Tensor want =
          must("Resize", {floats(x.shape(), real), Tensor(), Tensor(), Tensor::from<int64_t>({4}, Ints{1, 1, oh, ow})},
               {{"mode", s("linear")}, {"coordinate_transformation_mode", s(mode)}});
      Tensor y = must("ql.Resize", {x},
                      ql_attrs(oh, ow, static_cast<float>(oh) / static_cast<float>(h),
                               static_cast<float>(ow) / static_cast<float>(w), "linear", mode));
      // Half a unit of rounding, and two weights off by at most 2^-12 each.
      for (int64_t i = 0; i < y.count(); ++i) ASSERT_NEAR(y.as<uint8_t>()[i], want.as<float>()[i], 0.5 + 255.0 / 2048);
    }
}

TEST(QlResize, NearestPicksTheSamePixels) {
  Tensor x = bytes({1, 1, 1, 3}, {5, 6, 7});
  EXPECT_EQ(values<uint8_t>(must("ql.Resize", {x}, ql_attrs(2, 6, 2, 2, "nearest", "asymmetric"))),
            (std::vector<uint8_t>{5, 5, 6, 6, 7, 7, 5, 5, 6, 6, 7, 7}));
}

}  // namespace
}  // namespace quadlane::test
