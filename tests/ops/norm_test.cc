// Normalizations against plain loops over coordinates, and what they refuse.
#include <cmath>

#include "tests/ops/eval.h"

namespace quadlane::test {
namespace {

struct Moments {
  double mean = 0, variance = 0;
};
Moments moments(const std::vector<double>& values) {
  Moments m;
  for (double v : values) m.mean += v / static_cast<double>(values.size());
  for (double v : values) m.variance += (v - m.mean) * (v - m.mean) / static_cast<double>(values.size());
  return m;
}
double at(const Tensor& t, int64_t i) { return element_as_double(t.view(), i); }

TEST(LayerNorm, NormalizesRowsFromTheAxisOn) {
  Random random(1);
  Tensor x = random.tensor<float>({3, 4, 5}, -3, 3), scale = random.tensor<float>({4, 5}, 0.5, 2);
  Tensor bias = random.tensor<float>({5}, -1, 1);  // broadcasts to a row
  Tensor y = must("LayerNormalization", {x, scale, bias}, {{"axis", int64_t{1}}, {"epsilon", 0.01f}});
  for (int64_t r = 0; r < 3; ++r) {
    std::vector<double> row;
    for (int64_t i = 0; i < 20; ++i) row.push_back(at(x, r * 20 + i));
    Moments m = moments(row);
    for (int64_t i = 0; i < 20; ++i)
      ASSERT_NEAR(
          at(y, r * 20 + i),
          (row[static_cast<size_t>(i)] - m.mean) / std::sqrt(m.variance + 0.01) * at(scale, i) + at(bias, i % 5), 1e-5);
  }
}

TEST(LayerNorm, GivesItsStatisticsWhenAsked) {
  Graph g;
  Node node{"n", "LayerNormalization", {}, {}, {}};
  node.attrs.set("outputs", int64_t{3});
  Tensor x = floats({2, 2}, {1, 3, -2, 2}), scale = floats({2}, {1, 1});
  node.inputs = {g.add_constant("x", x), g.add_constant("s", scale)};
  auto y = add_op(g, op_table(), node);
  ASSERT_TRUE(y.ok()) << y.error().text();
  const Tensor* inputs[] = {&x, &scale};
  auto out = eval_node(g, *g.producer(*y), op_table(), inputs);
  ASSERT_TRUE(out.ok()) << out.error().text();
  ASSERT_EQ(out->size(), 3u);
  EXPECT_EQ((*out)[1].shape(), (Shape{2, 1}));
  EXPECT_EQ(values<float>((*out)[1]), (std::vector<float>{2, 0}));
  EXPECT_NEAR(at((*out)[2], 1), 0.5, 1e-5);
}

TEST(LayerNorm, Refuses) {
  Tensor x = iota({2, 3});
  EXPECT_NE(error_of("LayerNormalization", {x, iota({2})}).find("do not broadcast"), std::string::npos);
  EXPECT_NE(error_of("LayerNormalization", {x, iota({2, 3})}), "");  // a row has one axis
  EXPECT_NE(error_of("LayerNormalization", {x, iota({3})}, {{"axis", int64_t{2}}}).find("axis 2"), std::string::npos);
  EXPECT_NE(error_of("LayerNormalization", {x, iota({3})}, {{"outputs", int64_t{4}}}), "");
  EXPECT_EQ(must("LayerNormalization", {iota({2, 0}), iota({0})}).count(), 0);
}

TEST(RmsNorm, DividesByTheRootOfTheMeanSquare) {
  Tensor y = must("RMSNormalization", {floats({1, 2}, {3, 4}), floats({2}, {1, 2})}, {{"epsilon", 0.0f}});
  EXPECT_NEAR(at(y, 0), 3 / std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(at(y, 1), 8 / std::sqrt(12.5), 1e-6);
}

TEST(GroupNorm, NormalizesGroupsAndScalesChannels) {
  Random random(2);
  Tensor x = random.tensor<float>({2, 6, 3, 2}, -3, 3), scale = random.tensor<float>({6}, 0.5, 2);
  Tensor bias = random.tensor<float>({6}, -1, 1);
  Tensor y = must("GroupNormalization", {x, scale, bias}, {{"num_groups", int64_t{3}}});
  for (int64_t g = 0; g < 6; ++g) {  // 2 images, 3 groups of 12 values
    std::vector<double> group;
    for (int64_t i = 0; i < 12; ++i) group.push_back(at(x, g * 12 + i));
    Moments m = moments(group);
    for (int64_t i = 0; i < 12; ++i) {
      int64_t c = g % 3 * 2 + i / 6;
      ASSERT_NEAR(at(y, g * 12 + i),
                  (group[static_cast<size_t>(i)] - m.mean) / std::sqrt(m.variance + 1e-5) * at(scale, c) + at(bias, c),
                  1e-5);
    }
  }
  EXPECT_NE(error_of("GroupNormalization", {x, scale, bias}, {{"num_groups", int64_t{4}}}).find("4 groups"),
            std::string::npos);
  EXPECT_NE(error_of("GroupNormalization", {x, scale, bias}, {{"num_groups", int64_t{0}}}), "");
  EXPECT_NE(error_of("GroupNormalization", {x, scale, bias}).find("missing"), std::string::npos);
  EXPECT_NE(error_of("GroupNormalization", {x, iota({3}), bias}, {{"num_groups", int64_t{3}}}), "");
}

TEST(LpNorm, DividesByTheNormAndLeavesZeros) {
  Tensor x = floats({2, 2}, {3, 0, -4, 0});
  EXPECT_EQ(values<float>(must("LpNormalization", {x}, {{"axis", int64_t{0}}})),
            (std::vector<float>{0.6f, 0, -0.8f, 0}));
  Tensor l1 = must("LpNormalization", {x}, {{"axis", int64_t{0}}, {"p", int64_t{1}}});
  EXPECT_NEAR(at(l1, 2), -4.0 / 7, 1e-6);
  EXPECT_NE(error_of("LpNormalization", {x}, {{"p", int64_t{3}}}), "");
}

TEST(MeanVarianceNorm, NormalizesOverTheListedAxes) {
  Random random(3);
  Tensor x = random.tensor<double>({2, 3, 2, 2}, -1, 4), y = must("MeanVarianceNormalization", {x});
  for (int64_t c = 0; c < 3; ++c) {
    std::vector<double> in, out;
    for (int64_t n = 0; n < 2; ++n)
      for (int64_t p = 0; p < 4; ++p) {
        in.push_back(at(x, (n * 3 + c) * 4 + p));
        out.push_back(at(y, (n * 3 + c) * 4 + p));
      }
    Moments m = moments(in);
    for (size_t i = 0; i < in.size(); ++i) ASSERT_NEAR(out[i], (in[i] - m.mean) / std::sqrt(m.variance), 1e-7);
  }
  EXPECT_NE(error_of("MeanVarianceNormalization", {iota({2, 3})}), "");  // the default axes need rank 4
  EXPECT_NE(error_of("MeanVarianceNormalization", {x}, {{"axes", Ints{1, 1}}}), "");
}

TEST(Lrn, SumsNeighbouringChannels) {
  Tensor x = floats({1, 4, 1, 1}, {1, 2, 3, 4});
  Tensor y = must("LRN", {x}, {{"size", int64_t{2}}, {"alpha", 2.0f}, {"beta", 1.0f}, {"bias", 1.0f}});
  // size 2: the channel and the one behind it
  EXPECT_NEAR(at(y, 0), 1.0 / (1 + 1 + 4), 1e-6);
  EXPECT_NEAR(at(y, 3), 4.0 / (1 + 16), 1e-6);
  EXPECT_NE(error_of("LRN", {x}).find("missing"), std::string::npos);
  EXPECT_NE(error_of("LRN", {x}, {{"size", int64_t{0}}}), "");
  EXPECT_EQ(must("LRN", {x}, {{"size", int64_t{1} << 30}}).count(), 4);
}

TEST(Hardmax, MarksTheFirstLargest) {
  Tensor x = floats({2, 3}, {1, 5, 5, 7, 2, 3});
  EXPECT_EQ(values<float>(must("Hardmax", {x})), (std::vector<float>{0, 1, 0, 1, 0, 0}));
  EXPECT_EQ(values<float>(must("Hardmax", {x}, {{"axis", int64_t{0}}})), (std::vector<float>{0, 1, 1, 1, 0, 0}));
}

}  // namespace
}  // namespace quadlane::test
