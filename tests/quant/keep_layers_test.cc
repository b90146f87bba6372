#include "graph/quant/keep_layers.h"

#include <gtest/gtest.h>

#include <map>

namespace quadlane {
namespace {

// A network whose layers add noise; a drop of the score is what exceeds a tenth of it, in steps.
struct Network {
  std::map<std::string, double> noise{{"a", 1}, {"b", 8}, {"c", 4}, {"d", 0.5}, {"e", 2}};
  double scale = 1;
  NetworkLoss operator()(const std::set<std::string>& keep) const {
    NetworkLoss loss;
    for (const auto& [name, n] : noise) loss.noise += keep.count(name) ? 0 : n;
    loss.drop = static_cast<int>(loss.noise * scale) * 0.01;
    return loss;
  }
};

KeptLayers search(double max_drop, size_t most = SIZE_MAX, double held_scale = 1) {
  Network tuning, held;
  held.scale = held_scale;
  auto measure = [](const Network& n) {
    return [n](const std::set<std::string>& k) { return Result<NetworkLoss>(n(k)); };
  };
  return *keep_layers({"a", "b", "c", "d", "e"}, {max_drop, most}, measure(tuning), measure(held));
}

TEST(KeepLayers, NothingWhereInt8MeetsTheBound) {
  KeptLayers kept = search(0.2);
  EXPECT_TRUE(kept.met);
  EXPECT_TRUE(kept.keep.empty());
  EXPECT_TRUE(kept.ranking.empty());
}

TEST(KeepLayers, TheFewestThatMeetIt) {
  EXPECT_EQ(search(0.10).keep, (std::set<std::string>{"b"}));
  EXPECT_EQ(search(0.035).keep, (std::set<std::string>{"b", "c"}));
  EXPECT_EQ(search(0.0).keep, (std::set<std::string>{"a", "b", "c", "e"}));
  EXPECT_EQ(search(0.035).ranking[0].conv, "b");
}

TEST(KeepLayers, HeldOutInputsHaveTheLastWord) {
  KeptLayers kept = search(0.10, SIZE_MAX, 3);  // 3 * 7.5 without b, 3 * 3.5 without c too
  EXPECT_TRUE(kept.met);
  EXPECT_EQ(kept.keep, (std::set<std::string>{"b", "c"}));
}

// Layers that make up for one another: b alone is right, b and c are not.
TEST(KeepLayers, LayersThatMakeThingsWorseAreLeftOut) {
  auto measure = [](const std::set<std::string>& keep) {
    const double noise = 8.0 - 5.0 * keep.count("b") - 2.0 * keep.count("c") +
                         4.0 * (keep.count("b") && keep.count("c")) - 1.0 * keep.count("a");
    return Result<NetworkLoss>(NetworkLoss{noise * 0.01, noise});
  };
  EXPECT_EQ(keep_layers({"a", "b", "c"}, {0.03}, measure, measure)->keep, (std::set<std::string>{"b"}));
  EXPECT_EQ(keep_layers({"a", "b", "c"}, {0.02}, measure, measure)->keep, (std::set<std::string>{"a", "b"}));
  const KeptLayers best = *keep_layers({"a", "b", "c"}, {0.01}, measure, measure);
  EXPECT_FALSE(best.met);
  EXPECT_EQ(best.keep, (std::set<std::string>{"a", "b"}));
  EXPECT_DOUBLE_EQ(best.loss.drop, 0.02);
}

// The noise of one layer is that of all: only most of them together help.
TEST(KeepLayers, ManyTogetherWhereNoneHelpsAlone) {
  auto measure = [](const std::set<std::string>& keep) {
    const double noise = keep.size() < 3 ? 9 : keep.count("c") ? 1 : 2;
    return Result<NetworkLoss>(NetworkLoss{noise * 0.01, noise});
  };
  EXPECT_EQ(keep_layers({"a", "b", "c", "d"}, {0.02}, measure, measure)->keep.size(), 3u);
  EXPECT_FALSE(keep_layers({"a", "b", "c", "d"}, {0.02, 2}, measure, measure)->met);
}

// The noise of the value between a and b goes when both are in fp32. Each alone changes nothing, others help a little.
TEST(KeepLayers, NeighboursTogetherForWhatLiesBetweenThem) {
  auto measure = [](const std::set<std::string>& keep) {
    double noise = keep.count("a") && keep.count("b") ? 0 : 8;
    for (const char* other : {"c", "d", "e", "f"}) noise += keep.count(other) ? 0 : 0.5;
    return Result<NetworkLoss>(NetworkLoss{noise * 0.01, noise});
  };
  const KeptLayers kept = *keep_layers({"c", "a", "d", "b", "e", "f"}, {0.02}, measure, measure);
  EXPECT_TRUE(kept.met);
  EXPECT_EQ(kept.keep, (std::set<std::string>{"a", "b"}));
}

TEST(KeepLayers, TheBestReachedWhereTheBoundCannotBeMet) {
  KeptLayers kept = search(0.0, 2);
  EXPECT_FALSE(kept.met);
  EXPECT_EQ(kept.keep, (std::set<std::string>{"b", "c"}));
  EXPECT_DOUBLE_EQ(kept.loss.drop, 0.03);
}

}  // namespace
}  // namespace quadlane
