#include "graph/quant/auto_method.h"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/quant/held_out_methods.h"

namespace quadlane {
namespace {

using Db = std::vector<double>;

TEST(Paired, GainIsOfTheSameInputs) {
  const Db before{20, 30, 40}, after{22, 32, 45};
  const PairedGain gain = paired_gain(after, before);
  EXPECT_NEAR(gain.mean, 3, 1e-12);
  EXPECT_NEAR(gain.error, 1, 1e-12);  // deviations -1, -1, 2
  EXPECT_TRUE(gain.beyond_noise() && gain.better == gain.inputs);
  EXPECT_EQ(gain.worse, 0u);
  EXPECT_FALSE(paired_gain(Db{25}, Db{20}).beyond_noise()) << "one input says nothing about chance";
  EXPECT_FALSE(paired_gain(Db{20, 60, 39}, before).beyond_noise()) << "one lucky input";
  EXPECT_FALSE(paired_gain(Db{21, 31, 44}, before).beyond_noise()) << "two standard errors are not exceeded";
}

// Twelve inputs that are three alike, four times over, know as little of others as three do.
TEST(Paired, NeighboursAreAlike) {
  const Db before(12, 20), after{22, 22, 22.2, 22, 20.1, 20, 20, 20, 21, 21, 21, 21.1};
  EXPECT_TRUE(paired_gain(after, before).beyond_noise());
  const PairedGain gain = paired_gain(after, before, 3);
  EXPECT_FALSE(gain.beyond_noise());
  EXPECT_NEAR(gain.error, paired_gain(Db{22.05, 20.025, 21.025}, Db{20, 20, 20}).error, 1e-12);
  const Db unlike{22, 20, 21, 23, 21, 20, 22, 23, 20, 22, 21, 23};  // runs tell less than inputs do
  EXPECT_EQ(paired_gain(unlike, before, 3).error, paired_gain(unlike, before).error);
}

TEST(Paired, LevelIsThatOfTheWorstInputs) {
  EXPECT_NEAR(level_db(Db{30, 30}), 30, 1e-12);
  EXPECT_NEAR(level_db(Db{10, 60}), 13, 0.02);
}

constexpr size_t kInputs = 12;

// What `by_method` adds to the inputs, in turn, by the method of all values.
Result<QuantPolicy> chosen(const std::map<RangeMethod, Db>& by_method, AutoReport& report) {
  auto measure = [&](const QuantPolicy& policy) -> Result<Db> {
    Db db;
    auto found = by_method.find(policy.method);
    for (size_t i = 0; i < kInputs; ++i)
      db.push_back(20 + static_cast<double>(i) + (found == by_method.end() ? 0 : found->second[i % 4]));
    return db;
  };
  return choose_methods({}, {}, measure, {}, &report);
}

TEST(AutoMethod, KeepsMinmaxWhereAnothersLeadIsChance) {
  AutoReport report;
  auto policy = chosen({{RangeMethod::mse, {-1, -1, 0, 9}}, {RangeMethod::entropy, {-9, 9, 9, 9}}}, report);
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->method, RangeMethod::minmax);
  EXPECT_EQ(report.base, "minmax");
  EXPECT_EQ(report.candidates.size(), std::size(kRangeMethods));
}

TEST(AutoMethod, TakesTheBestOfThoseThatAreClearlyBetter) {
  AutoReport report;
  auto policy = chosen({{RangeMethod::mse, {1, 1, 1, 2}}, {RangeMethod::percentile, {2, 1.5, 3, 2}}}, report);
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->method, RangeMethod::percentile);
  EXPECT_GT(report.gain.mean, 2);
}

// Percentile gains on each of these inputs, but so little that a single one that it cuts would lose as much.
TEST(AutoMethod, CountsAnInputUnlikeThoseSeen) {
  AutoReport report;
  auto policy = chosen({{RangeMethod::percentile, {0.5, 0.4, 0.5, 0.3}}}, report);
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(report.base, "minmax");
  EXPECT_TRUE(report.candidates[2].gain.better == kInputs) << report.candidates[2].name;
}

// Alone neither cutting nor rounding adaptively gains; what was cut leaves adaptive rounding something.
TEST(AutoMethod, ComparesRangesAndRoundingTogether) {
  auto measure = [](const QuantPolicy& policy) -> Result<Db> {
    Db db(kInputs, 25);
    if (policy.method != RangeMethod::minmax && policy.method != RangeMethod::percentile) db.assign(kInputs, 5);
    if (policy.moments)
      for (double& d : db) d += policy.method == RangeMethod::percentile ? 3 : -1;
    return db;
  };
  AutoReport report;
  const AutoOptions options{.moments = std::make_shared<InputMoments>(Graph(), 1, nullptr)};
  auto policy = choose_methods({}, {}, measure, options, &report);
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(report.base, "percentile + adaptive");
  EXPECT_EQ(policy->method, RangeMethod::percentile);
  EXPECT_TRUE(policy->moments);
  EXPECT_EQ(report.candidates.size(), std::size(kRangeMethods) + 2) << "what is clearly worse is not tried again";
}

TEST(AutoMethod, RoundsAdaptivelyWhereThatIsClearlyBetter) {
  const AutoOptions options{.moments = std::make_shared<InputMoments>(Graph(), 1, nullptr)};
  for (const double gain : {0.0, -2.0, 2.0}) {
    auto measure = [gain](const QuantPolicy& policy) -> Result<Db> {
      Db db{20, 25, 30, 35};
      if (policy.moments) db = {20 + gain, 25 + 2 * gain, 30 + gain, 35 + gain};
      return db;
    };
    auto policy = choose_methods({}, {}, measure, options);
    ASSERT_TRUE(policy.ok());
    EXPECT_EQ(policy->method, RangeMethod::minmax);
    EXPECT_EQ(policy->moments != nullptr, gain > 0);
  }
}

// Two values of 40000 elements, the first with one element far out that no other input has.
TEST(HeldOutMethods, CutWhatOtherInputsDoNotHave) {
  auto profile = [](float far) {
    std::vector<float> x;
    for (int i = 0; i < 40000; ++i) x.push_back(std::sin(static_cast<float>(i)));
    Profile p(true);
    EXPECT_TRUE(p.observe("plain", Tensor::from<float>({1, 1, 40000}, x)).ok());
    x[17] = far;
    EXPECT_TRUE(p.observe("outlier", Tensor::from<float>({1, 1, 40000}, x)).ok());
    return p;
  };
  const Profile seen = profile(50), others = profile(1);
  const HeldOutStatistics fold{&seen, &others, nullptr};
  auto methods = methods_by_held_out_error({{"plain", {1}, {0}}, {"outlier", {1}, {0}}}, {}, {&fold, 1});
  ASSERT_TRUE(methods.ok());
  EXPECT_EQ(methods->count("plain"), 0u);
  ASSERT_EQ(methods->count("outlier"), 1u);
  EXPECT_NE(methods->at("outlier"), RangeMethod::average) << "of one input that is minmax";
}

}  // namespace
}  // namespace quadlane
