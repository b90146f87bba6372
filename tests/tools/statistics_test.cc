#include "tools/measure/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tools/measure/deviation.h"

namespace quadlane::measure {
namespace {

TEST(Statistics, Quantiles) {
  const std::vector<double> values = {4, 1, 3, 2};
  EXPECT_DOUBLE_EQ(median(values), 2.5);
  EXPECT_DOUBLE_EQ(quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 4);
  EXPECT_DOUBLE_EQ(quantile(values, 0.9), 3.7);
  EXPECT_TRUE(std::isnan(median({})));
}

TEST(Statistics, SpreadAndMeans) {
  EXPECT_DOUBLE_EQ(variation({9, 10, 11}), 0.1);
  EXPECT_DOUBLE_EQ(variation({5}), 0);
  EXPECT_NEAR(geometric_mean({1, 4, 16}), 4, 1e-12);
}

// Student's quantiles for 9 and 4 degrees of freedom are 2.262 and 2.776.
TEST(Statistics, ConfidenceOfAMean) {
  const std::vector<double> ten = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, five = {1, 2, 3, 4, 5};
  EXPECT_NEAR(confidence95(ten), 2.262 * 3.0277 / std::sqrt(10), 0.01);
  EXPECT_NEAR(confidence95(five), 2.776 * 1.5811 / std::sqrt(5), 0.03);
}

TEST(Statistics, RankTestTellsSetsApart) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal(100, 1);
  std::vector<double> a, b, slower;
  for (int i = 0; i < 40; ++i) {
    a.push_back(normal(random));
    b.push_back(normal(random));
    slower.push_back(normal(random) + 2);
  }
  EXPECT_GT(rank_test(a, b), 0.05);
  EXPECT_LT(rank_test(a, slower), 1e-6);
}

TEST(Statistics, RankTestOfFewValuesIsExact) {
  EXPECT_DOUBLE_EQ(rank_test({1, 2}, {3, 4}), 2.0 / 6);
  EXPECT_DOUBLE_EQ(rank_test({6, 7, 8, 9, 10}, {1, 2, 3, 4, 5}), 2.0 / 252);  // surely slower
  EXPECT_DOUBLE_EQ(rank_test({1, 2, 3, 5}, {4, 6, 7, 8}), 4.0 / 70);
  EXPECT_DOUBLE_EQ(rank_test({1, 1}, {1, 2}), 1);  // {1, 1} and {1, 2} of {1, 1, 1, 2} lie as far apart
  EXPECT_DOUBLE_EQ(rank_test({1, 1, 1}, {2, 2, 2}), 2.0 / 20);
  EXPECT_DOUBLE_EQ(rank_test({3, 3}, {3, 3, 3}), 1);
  EXPECT_DOUBLE_EQ(rank_test({}, {1}), 1);
  EXPECT_DOUBLE_EQ(least_rank_p(5, 5), 2.0 / 252);
  EXPECT_DOUBLE_EQ(least_rank_p(2, 4), 2.0 / 15);
  std::vector<double> low, high;  // the exact form and the approximation meet
  for (int i = 0; i < 20; ++i) low.push_back(i), high.push_back(i + 7.5);
  const double exact = rank_test(low, high);
  low.push_back(-1), high.push_back(40);
  EXPECT_NEAR(exact, rank_test(low, high), 0.004);
  EXPECT_LT(rank_test(low, high), exact);
}

TEST(Deviation, SignalNoiseAndWhatIsNoNumber) {
  const double nan = std::nan(""), infinite = HUGE_VAL;
  Deviation same;
  for (double v : {1.0, -3.0, nan, infinite}) same.add(v, v);
  EXPECT_EQ(same.sqnr_db(), kEqualDb);
  EXPECT_EQ(same.largest_error(), 0);
  Deviation near;
  near.add(10, 9);
  near.add(0, 0);
  EXPECT_NEAR(near.sqnr_db(), 20, 1e-12);
  EXPECT_NEAR(near.relative_error(), 0.1, 1e-12);
  for (auto [want, got] : {std::pair(1.0, nan), {nan, 1.0}, {infinite, -infinite}, {1.0, infinite}}) {
    Deviation d = near;
    d.add(want, got);
    EXPECT_EQ(d.unlike, 1);
    EXPECT_TRUE(std::isnan(d.sqnr_db()) && std::isnan(d.largest_error()) && std::isnan(d.relative_error()));
  }
  Deviation zeros;
  zeros.add(0, 0.5);
  EXPECT_TRUE(std::isnan(zeros.sqnr_db()));
  EXPECT_EQ(zeros.relative_error(), 0.5);
}

}  // namespace
}  // namespace quadlane::measure
