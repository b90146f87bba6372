// Profiles: statistics, merging, the text file and what it refuses.
#include "graph/quant/profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numeric>

namespace quadlane {
namespace {

Tensor image(std::vector<float> values, Shape shape) { return Tensor::from<float>(shape, values); }

TEST(Profile, CountsEachChannel) {
  Profile p;
  ASSERT_TRUE(p.observe("x", image({1, -2, 3, 4, 0, 5, 7, 8}, {2, 2, 2})).ok());
  const ValueProfile* x = p.find("x");
  ASSERT_NE(x, nullptr);
  EXPECT_EQ(x->count, 4);
  EXPECT_EQ(x->min, (std::vector<float>{-2, 3}));
  EXPECT_EQ(x->max, (std::vector<float>{5, 8}));
  EXPECT_EQ(x->mean, (std::vector<double>{1, 5.5}));
  EXPECT_EQ(x->positive, (std::vector<double>{0.5, 1}));
  EXPECT_EQ(p.find("y"), nullptr);
}

// Element i is added to sum i mod 8, what is left over of a row to the first: on every machine, so the bits agree.
TEST(Profile, SumsInAnOrderOfItsOwn) {
  uint32_t state = 1;
  for (int64_t n : {1, 7, 8, 9, 31, 1000, 4099}) {
    std::vector<float> values(static_cast<size_t>(n));
    for (float& v : values) v = static_cast<float>(static_cast<int32_t>(state = state * 1664525 + 1013904223) >> 4);
    Profile p(true);
    ASSERT_TRUE(p.observe("x", image(values, {1, 1, n})).ok());
    std::vector<double> lanes(8);
    for (size_t i = 0; i < values.size(); ++i) lanes[i < values.size() / 8 * 8 ? i % 8 : 0] += values[i];
    const ValueProfile& x = *p.find("x");
    EXPECT_EQ(x.mean[0], std::accumulate(lanes.begin(), lanes.end(), 0.0) / static_cast<double>(n));
    EXPECT_EQ(x.min[0], *std::min_element(values.begin(), values.end()));
    EXPECT_EQ(x.max[0], *std::max_element(values.begin(), values.end()));
    const auto above = std::count_if(values.begin(), values.end(), [](float v) { return v > 0; });
    EXPECT_EQ(x.positive[0], static_cast<double>(above) / static_cast<double>(n));
    EXPECT_EQ(x.histograms[0].total(), static_cast<uint64_t>(n));
  }
}

TEST(Profile, MergesLikeOneRun) {
  Profile one(true), a(true), b(true);
  Tensor first = image({1, 2, 3, 4}, {1, 2, 2}), second = image({-1, 0, 5, 5}, {1, 2, 2});
  for (const Tensor& t : {first, second}) ASSERT_TRUE(one.observe("x", t).ok());
  ASSERT_TRUE(a.observe("x", first).ok());
  ASSERT_TRUE(b.observe("x", second).ok());
  ASSERT_TRUE(a.merge(b).ok());
  EXPECT_EQ(a, one);
}

TEST(Profile, RefusesOtherChannelCounts) {
  Profile a, b;
  ASSERT_TRUE(a.observe("x", image({1, 2}, {1, 2})).ok());
  ASSERT_TRUE(b.observe("x", image({1, 2, 3}, {1, 3})).ok());
  Status s = a.merge(b);
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.error().message, "value 'x' has 3 channels in one profile and 2 in the other");
}

TEST(Profile, RefusesNotFinite) {
  Profile p;
  EXPECT_FALSE(p.observe("x", image({1, NAN}, {1, 2})).ok());
  EXPECT_TRUE(p.empty());
}

TEST(Profile, ReadsBackWhatItWrote) {
  for (bool histograms : {false, true}) {
    Profile p(histograms);
    ASSERT_TRUE(p.observe("/a \"b\"\n\\n", image({0.1f, -1e-30f, 3e30f, 0.333333343f}, {1, 2, 2})).ok());
    ASSERT_TRUE(p.observe("c", image({7}, {1})).ok());
    p.add_sample();
    auto back = Profile::from_text(p.to_text());
    ASSERT_TRUE(back.ok()) << back.error().text();
    EXPECT_EQ(*back, p);
    std::string path = testing::TempDir() + "profile.txt";
    ASSERT_TRUE(p.save(path).ok());
    auto loaded = Profile::load(path);
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(*loaded, p);
    std::remove(path.c_str());
  }
}

// Saving writes to no name that somebody else may have made a link of.
// Rounding must not carry the averages of equal extremes apart.
TEST(Profile, ReadsBackConstants) {
  for (int i = 1; i < 200; ++i) {
    Profile p;
    for (int sample = 0; sample < 5; ++sample)
      ASSERT_TRUE(p.observe("x", image({-0.1f * static_cast<float>(i), 0.1f * static_cast<float>(i)}, {1, 2})).ok());
    auto read = Profile::from_text(p.to_text());
    ASSERT_TRUE(read.ok()) << i << ": " << read.error().text();
  }
}

TEST(Profile, WritesThroughNoLink) {
  namespace fs = std::filesystem;
  std::string pattern = testing::TempDir() + "quadlane-profile-XXXXXX";
  const fs::path folder = mkdtemp(pattern.data());
  fs::create_symlink(folder / "other", folder / "profile.partial");
  EXPECT_TRUE(Profile().save((folder / "profile").string()).ok());
  EXPECT_FALSE(fs::exists(folder / "other"));
  fs::remove_all(folder);
}

TEST(Profile, RefusesBrokenFiles) {
  EXPECT_FALSE(Profile::from_text("").ok());
  EXPECT_FALSE(Profile::from_text("quadlane-profile 2\n").ok());
  const std::string head = "quadlane-profile 2\nsamples 1 histograms 0\n";
  EXPECT_TRUE(Profile::from_text(head + "value 1 3 1 \"x\"\n0 1 0 1 0 0\n").ok());
  EXPECT_FALSE(Profile::from_text(head + "value 2 3 1 \"x\"\n0 1 0 1 0 0\n").ok());
  EXPECT_FALSE(Profile::from_text(head + "value 1 3 1 \"x\"\n2 1 1 1 0 0\n").ok());
  EXPECT_FALSE(Profile::from_text(head + "value 1 3 1 \"x\"\n0 1 0 2 0 0\n").ok());
  EXPECT_FALSE(Profile::from_text(head + "value -1 3 1 \"x\"\n").ok());
  const std::string counted = "quadlane-profile 2\nsamples 1 histograms 1\nvalue 1 3 1 \"x\"\n0 1 0 1 0 0\n";
  EXPECT_TRUE(Profile::from_text(counted + "bins -3:1 257:2\n").ok());
  EXPECT_FALSE(Profile::from_text(counted).ok());
  EXPECT_FALSE(Profile::from_text(counted + "bins 99999:1\n").ok());
  for (const char* bins : {"3:x", "5:0", "-2147483648:1", "2147483647:1", "5:18446744073709551615", ""})
    EXPECT_FALSE(Profile::from_text(counted + "bins " + bins + "\n").ok()) << bins;
  EXPECT_FALSE(Profile::from_text(head + "value 1 9223372036854775807 1 \"x\"\n0 1 0 1 0 0\n").ok());
  EXPECT_FALSE(Profile::from_text(head + "value 1 3 9223372036854775807 \"x\"\n0 1 0 1 0 0\n").ok());
  EXPECT_FALSE(Profile::load("/nowhere/profile.txt").ok());
  EXPECT_FALSE(Profile().save("/nowhere/profile.txt").ok());
}

}  // namespace
}  // namespace quadlane
