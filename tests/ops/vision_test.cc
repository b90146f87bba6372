// Sampling, regions and boxes: identities, hand-made cases and hostile coordinates.
#include <cmath>
#include <limits>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

Tensor ints(std::vector<int64_t> data) { return Tensor::from<int64_t>({static_cast<int64_t>(data.size())}, data); }
Tensor scalar(int64_t v) { return Tensor::scalar<int64_t>(v); }
double at(const Tensor& t, int64_t i) { return element_as_double(t.view(), i); }

// The grid that reads every pixel at its own place.
Tensor identity_grid(const Shape& size, int64_t align) {
  std::vector<float> theta(size.size() == 4 ? 6 : 12, 0.0f);
  int64_t axes = static_cast<int64_t>(size.size()) - 2;
  for (int64_t a = 0; a < axes; ++a) theta[static_cast<size_t>(a * (axes + 1) + a)] = 1;
  return must("AffineGrid", {floats({1, axes, axes + 1}, theta), ints(size)}, {{"align_corners", align}});
}

TEST(GridSample, TheIdentityGridReadsEveryPixel) {
  Random random(1);
  for (const Shape& shape : {Shape{1, 2, 4, 5}, Shape{1, 2, 3, 4, 5}})
    for (const char* mode : {"nearest", "linear", "cubic"})
      for (const char* padding : {"zeros", "border", "reflection"})
        for (int64_t align : {0, 1}) {
          Tensor x = random.tensor<float>(shape, -1, 1);
          Tensor y =
              must("GridSample", {x, identity_grid(shape, align)},
                   {{"mode", std::string(mode)}, {"padding_mode", std::string(padding)}, {"align_corners", align}});
          ASSERT_EQ(y.shape(), x.shape());
          for (int64_t i = 0; i < x.count(); ++i) ASSERT_NEAR(at(y, i), at(x, i), 1e-5) << mode << padding << align;
        }
}

TEST(GridSample, PaddingDecidesWhatLiesOutside) {
  Tensor x = floats({1, 1, 1, 4}, {1, 2, 3, 4});
  auto sample = [&](float px, const char* mode, const char* padding, int64_t align) {
    return at(must("GridSample", {x, floats({1, 1, 1, 2}, {px, 0})},
                   {{"mode", std::string(mode)}, {"padding_mode", std::string(padding)}, {"align_corners", align}}),
              0);
  };
  EXPECT_EQ(sample(3, "nearest", "zeros", 0), 0);
  EXPECT_EQ(sample(3, "nearest", "border", 0), 4);
  EXPECT_EQ(sample(-1.25f, "linear", "reflection", 0), 1);  // -1 lies in the first pixel's mirror image
  EXPECT_NEAR(sample(-5.0f / 3, "linear", "reflection", 1), 2, 1e-5);
  EXPECT_NEAR(sample(1, "linear", "zeros", 0), 2, 1e-6);  // half of the last pixel
  for (float far : {1e30f, -1e30f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    for (const char* mode : {"nearest", "linear", "cubic"})
      for (const char* padding : {"zeros", "border", "reflection"}) sample(far, mode, padding, 0);  // must not crash
  EXPECT_EQ(sample(1e30f, "nearest", "border", 1), 4);
}

TEST(GridSample, Refuses) {
  Tensor x = iota({1, 1, 2, 2});
  EXPECT_NE(error_of("GridSample", {x, iota({1, 2, 2, 3})}), "");
  EXPECT_NE(error_of("GridSample", {x, iota({2, 2, 2, 2})}), "");
  EXPECT_NE(error_of("GridSample", {x, iota({1, 2, 2, 2})}, {{"mode", std::string("lanczos")}}).find("lanczos"),
            std::string::npos);
  EXPECT_NE(error_of("GridSample", {iota({1, 1, 0, 2}), iota({1, 2, 2, 2})}).find("no pixels"), std::string::npos);
}

TEST(AffineGrid, MovesAndRefuses) {
  Tensor theta = floats({1, 2, 3}, {1, 0, 0.5f, 0, 2, 0});
  Tensor y = must("AffineGrid", {theta, ints({1, 1, 2, 2})});
  EXPECT_EQ(values<float>(y), (std::vector<float>{0, -1, 1, -1, 0, 1, 1, 1}));
  EXPECT_EQ(at(must("AffineGrid", {theta, ints({1, 1, 1, 1})}, {{"align_corners", int64_t{1}}}), 0), 0.5);
  EXPECT_NE(error_of("AffineGrid", {theta, ints({1, 1, 0, 2})}), "");
  EXPECT_NE(error_of("AffineGrid", {theta, ints({1, 1, 2})}), "");
  EXPECT_NE(error_of("AffineGrid", {theta, ints({2, 1, 2, 2})}), "");
}

TEST(RoiAlign, AveragesAndTakesTheLargestTap) {
  Tensor x = iota({1, 1, 4, 4}), roi = floats({1, 4}, {0, 0, 4, 4}), image = ints({0});
  AttrList attrs = {{"output_height", int64_t{2}}, {"output_width", int64_t{2}}, {"sampling_ratio", int64_t{2}}};
  // Points of half_pixel lie on the pixels: bins of 2x2 pixels.
  EXPECT_EQ(values<float>(must("RoiAlign", {x, roi, image}, attrs)), (std::vector<float>{2.5f, 4.5f, 10.5f, 12.5f}));
  attrs.push_back({"mode", std::string("max")});
  EXPECT_EQ(values<float>(must("RoiAlign", {x, roi, image}, attrs)), (std::vector<float>{5, 7, 13, 15}));
  EXPECT_NE(error_of("RoiAlign", {x, roi, ints({1})}, attrs).find("image 1"), std::string::npos);
  EXPECT_NE(error_of("RoiAlign", {x, floats({1, 4}, {0, 0, 1e30f, 1}), image}).find("points"), std::string::npos);
  float nan = std::numeric_limits<float>::quiet_NaN();
  must("RoiAlign", {x, floats({1, 4}, {nan, nan, nan, nan}), image});
  EXPECT_EQ(must("RoiAlign", {x, floats({0, 4}, {}), ints({})}).count(), 0);
}

TEST(DeformConv, WithoutOffsetsIsAConvolution) {
  Random random(4);
  Tensor x = random.tensor<float>({2, 4, 5, 6}, -1, 1), w = random.tensor<float>({6, 2, 3, 3}, -1, 1);
  Tensor b = random.tensor<float>({6}, -1, 1);
  AttrList attrs = {{"group", int64_t{2}}, {"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 1}}};
  Tensor expected = must("Conv", {x, w, b}, attrs);
  Tensor offset = floats({2, 36, 3, 6}, std::vector<float>(2 * 36 * 3 * 6, 0.0f));
  Tensor mask = floats({2, 18, 3, 6}, std::vector<float>(2 * 18 * 3 * 6, 0.5f));
  attrs.push_back({"offset_group", int64_t{2}});
  Tensor y = must("DeformConv", {x, w, offset, b}, attrs),
         half = must("DeformConv", {x, w, offset, Tensor(), mask}, attrs);
  ASSERT_EQ(y.shape(), expected.shape());
  for (int64_t i = 0; i < y.count(); ++i) {
    ASSERT_NEAR(at(y, i), at(expected, i), 1e-5);
    ASSERT_NEAR(at(half, i), (at(expected, i) - at(b, i / 18 % 6)) / 2, 1e-5);
  }
  Tensor far = floats({2, 36, 3, 6}, std::vector<float>(2 * 36 * 3 * 6, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_EQ(at(must("DeformConv", {x, w, far}, attrs), 0), 0);
  EXPECT_NE(error_of("DeformConv", {x, w, floats({2, 18, 3, 6}, std::vector<float>(2 * 18 * 18, 0.f))}, attrs), "");
}

TEST(Col2Im, AddsWhatOverlaps) {
  Tensor ones = floats({1, 4, 4}, std::vector<float>(16, 1.0f));  // 2x2 blocks at 4 places of a 3x3 image
  EXPECT_EQ(values<float>(must("Col2Im", {ones, ints({3, 3}), ints({2, 2})})),
            (std::vector<float>{1, 2, 1, 2, 4, 2, 1, 2, 1}));
  EXPECT_NE(error_of("Col2Im", {ones, ints({4, 3}), ints({2, 2})}), "");
  EXPECT_NE(error_of("Col2Im", {ones, ints({3, 3}), ints({4, 4})}), "");
  EXPECT_NE(error_of("Col2Im", {ones, ints({3, 3}), ints({2, 2})}, {{"pads", Ints{1}}}), "");
}

TEST(NonMaxSuppression, KeepsTheBestOfOverlappingBoxes) {
  Tensor boxes = floats({1, 4, 4}, {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 10, 1, 11, 11, 1, 10, 0});
  Tensor scores = floats({1, 1, 4}, {0.5f, 0.9f, 0.3f, 0.3f});
  auto rows = [&](int64_t most, float overlap, float lowest) {
    return values<int64_t>(
        must("NonMaxSuppression", {boxes, scores, scalar(most), Tensor::scalar(overlap), Tensor::scalar(lowest)}));
  };
  EXPECT_EQ(rows(10, 0.5f, 0), (Ints{0, 0, 1, 0, 0, 2, 0, 0, 3}));
  EXPECT_EQ(rows(10, 0.9f, 0.4f), (Ints{0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(rows(1, 0.5f, 0), (Ints{0, 0, 1}));
  EXPECT_EQ(rows(0, 0.5f, 0).size(), 0u);
  EXPECT_EQ(rows(-3, 0.5f, 0).size(), 0u);
  EXPECT_EQ(must("NonMaxSuppression", {boxes, scores}).shape(), (Shape{0, 3}));
  EXPECT_NE(error_of("NonMaxSuppression", {boxes, floats({1, 1, 3}, {1, 1, 1})}), "");
}

TEST(MaxPool, IndicesLeadBack) {
  Graph g;
  Node node{"n", "MaxPool", {}, {}, {}};
  node.attrs.set("kernel_shape", Ints{2, 2});
  node.attrs.set("strides", Ints{2, 2});
  node.attrs.set("outputs", int64_t{2});
  Tensor x = floats({1, 2, 2, 4}, {1, 5, 2, 2, 3, 4, 2, 1, 0, 0, 9, 8, 0, 7, 8, 9});
  node.inputs = {g.add_constant("x", x)};
  auto y = add_op(g, op_table(), node);
  ASSERT_TRUE(y.ok()) << y.error().text();
  const Tensor* inputs[] = {&x};
  auto out = eval_node(g, *g.producer(*y), op_table(), inputs);
  ASSERT_TRUE(out.ok()) << out.error().text();
  EXPECT_EQ(values<int64_t>((*out)[1]), (Ints{1, 2, 13, 10}));  // the first of equal ones
  Tensor back = must("MaxUnpool", {(*out)[0], (*out)[1]}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  EXPECT_EQ(values<float>(back), (std::vector<float>{0, 5, 2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 7, 0, 0}));
  EXPECT_NE(error_of("MaxUnpool", {floats({1, 1, 1, 1}, {1}), Tensor::from<int64_t>({1, 1, 1, 1}, Ints{4})},
                     {{"kernel_shape", Ints{2, 2}}})
                .find("index 4"),
            std::string::npos);
}

}  // namespace
}  // namespace quadlane::test
