// Histograms, and the ranges that each method makes of them.
#include "graph/quant/ranges.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "graph/quant/bounds.h"
#include "graph/quant/headroom.h"
#include "graph/text.h"
#include "ops/table.h"

namespace quadlane {
namespace {

std::vector<float> normal(size_t count, float deviation, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> draw(0, deviation);
  std::vector<float> values(count);
  for (float& v : values) v = draw(rng);
  return values;
}

Histogram histogram_of(const std::vector<float>& values) {
  Histogram h;
  h.add(values.data(), static_cast<int64_t>(values.size()));
  return h;
}

ValueProfile profile_of(const std::vector<float>& values) {
  Profile p(true);
  EXPECT_TRUE(p.observe("x", Tensor::from<float>({1, 1, static_cast<int64_t>(values.size())}, values)).ok());
  return *p.find("x");
}

// What quantizing to 256 levels over the range, 0 among them, really costs.
double true_error(const std::vector<float>& values, const Range& r) {
  const double step = (r.high - r.low) / 255;
  double sum = 0;
  for (float v : values) sum += std::pow(std::nearbyint(std::clamp<double>(v, r.low, r.high) / step) * step - v, 2);
  return sum / static_cast<double>(values.size());
}

TEST(Histogram, EveryValueLiesInItsBin) {
  for (float x : {0.0f, 1e-30f, -1e-30f, 1.0f, -1.0f, 1.1249999f, 1.125f, 3e38f, -3e38f, 2.3283064e-10f, 1e-9f}) {
    Histogram h = histogram_of({x});
    ASSERT_EQ(h.bins().size(), 1u) << x;
    const Histogram::Bin bin = h.bins()[0];
    EXPECT_LE(bin.low, x);
    EXPECT_GE(bin.high, x);
    EXPECT_LE(std::abs(bin.index), Histogram::kMaxIndex);
    EXPECT_TRUE(bin.index == 0 || (bin.high - bin.low) / std::abs(x) <= 0.0626) << x;
  }
}

TEST(Histogram, MergesLikeOneRun) {
  std::vector<float> a = normal(1000, 1, 1), b = normal(500, 100, 2), both = a;
  both.insert(both.end(), b.begin(), b.end());
  Histogram merged = histogram_of(a);
  merged.merge(histogram_of(b));
  merged.merge(Histogram());
  EXPECT_EQ(merged, histogram_of(both));
  EXPECT_EQ(merged.total(), 1500u);
  EXPECT_FALSE(merged == histogram_of(a));
}

TEST(Histogram, QuantilesLieWithinABin) {
  std::vector<float> values(10001);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) - 5000;
  Histogram h = histogram_of(values);
  for (double share : {0.001, 0.1, 0.3, 0.75, 0.99})
    EXPECT_NEAR(h.quantile(share), share * 10000 - 5000, 5000 * 0.03) << share;
  EXPECT_NEAR(h.quantile(0.5), 0, 2);
}

TEST(Ranges, PercentileDropsWhatIsRare) {
  std::vector<float> values = normal(200000, 1, 3);
  values[7] = 1000;
  auto range = choose_ranges(profile_of(values), RangeMethod::percentile, false);
  ASSERT_TRUE(range.ok());
  EXPECT_NEAR((*range)[0].low, -3.72, 0.3);
  EXPECT_NEAR((*range)[0].high, 3.72, 0.3);
  auto all = choose_ranges(profile_of(values), RangeMethod::minmax, false);
  EXPECT_EQ((*all)[0].high, 1000);
}

TEST(Ranges, MseIsNearTheBestOfAllRanges) {
  std::vector<float> values = normal(20000, 1, 4);
  for (float& v : values) v = v * v * v;  // heavy tails
  ValueProfile p = profile_of(values);
  auto chosen = choose_ranges(p, RangeMethod::mse, false);
  ASSERT_TRUE(chosen.ok());
  double least = HUGE_VAL;
  for (double low = p.min[0]; low < -2; low *= 0.95)
    for (double high = p.max[0]; high > 2; high *= 0.95) least = std::min(least, true_error(values, {low, high}));
  EXPECT_LT(true_error(values, (*chosen)[0]), 1.2 * least);
  EXPECT_LT(true_error(values, (*chosen)[0]), true_error(values, {p.min[0], p.max[0]}));
  EXPECT_NEAR(expected_error(p.histograms[0], (*chosen)[0]) / true_error(values, (*chosen)[0]), 1, 0.2);
}

TEST(Ranges, EntropyCutsTailsAndKeepsUniformValues) {
  std::vector<float> uniform(20000);
  for (size_t i = 0; i < uniform.size(); ++i) uniform[i] = static_cast<float>(i) / 20000;
  auto kept = choose_ranges(profile_of(uniform), RangeMethod::entropy, false);
  ASSERT_TRUE(kept.ok());
  EXPECT_GT((*kept)[0].high, 0.9);
  std::vector<float> tails = normal(100000, 1, 5);
  tails[0] = 60;
  auto cut = choose_ranges(profile_of(tails), RangeMethod::entropy, false);
  ASSERT_TRUE(cut.ok());
  EXPECT_LT((*cut)[0].high, 30);
  EXPECT_GT((*cut)[0].high, 2.5);
}

TEST(Ranges, StayWithinWhatWasSeenAndHandleConstants) {
  for (RangeMethod method : kRangeMethods)
    for (const std::vector<float>& values :
         {std::vector<float>(50, 3.0f), std::vector<float>(50, 0.0f), std::vector<float>{-7}, normal(30, 1e-20f, 6),
          normal(30, 1e30f, 7), std::vector<float>{0, 0, 0, 0, 9}})
      for (bool shared : {false, true}) {
        ValueProfile p = profile_of(values);
        auto range = choose_ranges(p, method, shared);
        ASSERT_TRUE(range.ok());
        EXPECT_GE((*range)[0].low, p.min[0]) << to_string(method);
        EXPECT_LE((*range)[0].high, p.max[0]) << to_string(method);
        EXPECT_LE((*range)[0].low, (*range)[0].high) << to_string(method);
      }
}

TEST(Ranges, SharedRangeIsTheSameForAllChannels) {
  Profile p(true);
  std::vector<float> values = normal(2000, 1, 8);
  for (size_t i = 0; i < 1000; ++i) values[i] *= 10;
  ASSERT_TRUE(p.observe("x", Tensor::from<float>({1, 2, 1000}, values)).ok());
  for (RangeMethod method : kRangeMethods) {
    auto shared = choose_ranges(*p.find("x"), method, true), own = choose_ranges(*p.find("x"), method, false);
    ASSERT_TRUE(shared.ok() && own.ok());
    EXPECT_EQ((*shared)[0], (*shared)[1]);
    EXPECT_GT((*own)[0].high, 4 * (*own)[1].high) << to_string(method);
  }
}

TEST(Ranges, SayWhenHistogramsAreMissing) {
  Profile p;
  ASSERT_TRUE(p.observe("x", Tensor::from<float>({2}, std::vector<float>{1, 2})).ok());
  auto range = choose_ranges(*p.find("x"), RangeMethod::mse, false);
  ASSERT_FALSE(range.ok());
  EXPECT_EQ(range.error().message, "method mse needs histograms, the calibration statistics have none");
}

// Two inputs of two channels: a loud one, and one that was almost silent.
TEST(Headroom, LeansOnTheTensorAndOnWhatIsKnown) {
  Profile p;
  for (float sign : {1.0f, -1.0f}) {
    std::vector<float> x(2 * 101, 0);
    x[0] = 8 * sign, x[101] = 1;
    ASSERT_TRUE(p.observe("x", Tensor::from<float>({1, 2, 101}, x)).ok());
  }
  ValueProfile seen = *p.find("x");
  seen.average_min[1] = 0.25, seen.average_max[1] = 0.5;  // its ends lie apart
  const std::vector<Range> shown = *choose_ranges(seen, RangeMethod::minmax, false);
  std::vector<Range> r = shown;
  const Headroom wide{.share = 0.04, .lean = 1, .spread = 1e9};
  add_headroom(wide, seen, r);
  const double lean = 1 / std::sqrt(2), extra = (0.04 + 2.0 / 201) / 2;
  EXPECT_NEAR(r[0].high, 8 + 16 * extra, 1e-12);
  EXPECT_NEAR(r[0].low, -8 - 16 * extra, 1e-12);
  EXPECT_NEAR(r[1].high, 1 + lean * 7, 1e-12);
  EXPECT_NEAR(r[1].low, -lean * 8, 1e-12);
  r = shown;
  add_headroom({.share = 0.04, .lean = 0}, seen, r);
  EXPECT_NEAR(r[1].high, 1 + extra, 1e-12);
  r = shown;
  add_headroom({.share = 0, .lean = 9, .spread = 1e9}, seen, r);  // all of the way, no farther
  EXPECT_NEAR(r[1].high, 8, 0.1);
  r = shown;
  add_headroom({.share = 0, .lean = 1, .spread = 2}, seen, r);
  EXPECT_NEAR(r[1].high, 1 + 2 / std::sqrt(2) * 0.5, 1e-12);
}

TEST(Headroom, DoesNotCrossTheZeroOfPositiveValues) {
  Profile p;
  ASSERT_TRUE(p.observe("x", Tensor::from<float>({1, 2, 2}, std::vector<float>{0, 1, 0.5f, 4})).ok());
  std::vector<Range> r = *choose_ranges(*p.find("x"), RangeMethod::minmax, false);
  add_headroom({}, *p.find("x"), r);
  EXPECT_EQ(r[0].low, 0);
  EXPECT_EQ(r[1].low, 0.5);
  EXPECT_GE(r[0].high, 4);
  EXPECT_GT(r[1].high, 4);
}

// Two inputs of three channels without negative values: one loud, one of `active` elements in each, one silent.
TEST(Headroom, LeansMoreWhereAChannelWasRarelyActive) {
  auto high_of_quiet = [](size_t active) {
    std::vector<float> x(3 * 2000, 0);
    x[0] = 8;
    for (size_t i = 0; i < active; ++i) x[2000 + i] = 1;
    Profile p;
    for (int input = 0; input < 2; ++input) EXPECT_TRUE(p.observe("x", Tensor::from<float>({1, 3, 2000}, x)).ok());
    std::vector<Range> r = *choose_ranges(*p.find("x"), RangeMethod::minmax, false);
    add_headroom({}, *p.find("x"), r);
    EXPECT_NEAR(r[2].high, 8 / std::sqrt(2), 1e-12);  // never active
    return r[1].high;
  };
  EXPECT_NEAR(high_of_quiet(2000), 1 + 7 / std::sqrt(2), 1e-12);
  EXPECT_NEAR(high_of_quiet(600), high_of_quiet(2000), 1e-12);  // of 2000: few elements, but no rare channel
  EXPECT_NEAR(high_of_quiet(5), 8, 1e-12);
}

// As behind a global pool: one number for each input, which happen to be alike.
TEST(Headroom, OfFewAlikeNumbersIsByTheirSize) {
  Profile p;
  for (float v : {1.90f, 1.91f, 1.92f})
    ASSERT_TRUE(p.observe("x", Tensor::from<float>({1, 2, 1, 1}, std::vector<float>{v, -v})).ok());
  std::vector<Range> r = *choose_ranges(*p.find("x"), RangeMethod::minmax, false);
  add_headroom({.lean = 0}, *p.find("x"), r);
  EXPECT_GT(r[0].high, 1.92 * 1.5);
  EXPECT_LT(r[1].low, -1.92 * 1.5);
}

// Behind a sigmoid, whatever the statistics say.
TEST(Headroom, EndsAtWhatTheFunctionGives) {
  Profile p;
  for (float v : {0.2f, 0.5f, 0.9f})
    ASSERT_TRUE(p.observe("x", Tensor::from<float>({1, 1, 1, 1}, std::vector<float>{v})).ok());
  std::vector<Range> r = *choose_ranges(*p.find("x"), RangeMethod::minmax, false);
  add_headroom({}, *p.find("x"), r, {0, 1});
  EXPECT_EQ(r[0].low, 0);
  EXPECT_EQ(r[0].high, 1);
  const Graph g = *parse_graph(R"(graph "g"
input %x: f32[1,3,8,8]
const %six: f32[] = {6}
const %zero: f32[] = {0}
%s: f32[1,3,8,8] = HardSigmoid(%x)
%p: f32[1,3,1,1] = GlobalAveragePool(%s)
%c: f32[1,3,8,8] = Clip(%x, %zero, %six)
%w: f32[1,3,8,8] = HardSwish(%x)
%a: f32[1,3,8,8] = Add(%s, %c)
output %p
output %w
output %a
)",
                               op_table());
  auto bounds = [&](std::string_view name) {
    for (NodeId id : g.order())
      if (g.at(g.at(id).output()).name == name) return bounds_of(g, g.at(id).output());
    return Range{};
  };
  EXPECT_EQ(bounds("p"), (Range{0, 1}));
  EXPECT_EQ(bounds("c"), (Range{0, 6}));
  EXPECT_EQ(bounds("w").low, -0.375);
  EXPECT_EQ(bounds("a"), (Range{-HUGE_VAL, HUGE_VAL}));
}

TEST(RangeMemory, AnswersLikeTheSearch) {
  const ValueProfile p = profile_of(normal(4000, 1, 3));
  RangeMemory memory;
  for (int round = 0; round < 2; ++round)
    for (RangeMethod method : kRangeMethods)
      EXPECT_EQ(*memory.choose("x", p, method, false), *choose_ranges(p, method, false)) << to_string(method);
}

}  // namespace
}  // namespace quadlane
