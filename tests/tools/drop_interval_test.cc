#include "tools/accuracy/drop_interval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace quadlane::tools {
namespace {

Score answer(Metric metric, const Classes& got, const Classes& wanted) {
  Score score(metric);
  score.task.add(got, wanted);
  return score;
}

double drop_of(std::span<const Score> fp32, std::span<const Score> network) {
  Score exact(fp32[0].metric), got(fp32[0].metric);
  for (size_t i = 0; i < fp32.size(); ++i) exact += fp32[i], got += network[i];
  return exact.value() - got.value();
}

// No answer changed, and yet some will on other inputs.
TEST(DropInterval, OfAnswersThatAllAgree) {
  const std::vector<Score> same(96, answer(Metric::top1, {1}, {1}));
  const DropInterval found = drop_interval(same, same);
  const double z2 = 1.959964 * 1.959964;
  EXPECT_NEAR(found.high, z2 / (96 + z2), 1e-9);
  EXPECT_NEAR(found.low, 0, 1e-12);
}

TEST(DropInterval, OfAnswersLostAndWon) {
  std::vector<Score> fp32, network;
  for (int i = 0; i < 200; ++i) {
    fp32.push_back(answer(Metric::top1, {i < 190 ? 1 : 2}, {1}));
    network.push_back(answer(Metric::top1, {i < 12 || i >= 196 ? 2 : 1}, {1}));  // loses 12, wins 6
  }
  EXPECT_NEAR(drop_of(fp32, network), 0.03, 1e-12);
  const DropInterval found = drop_interval(fp32, network);
  const double middle = 6.0 / 202, reach = 1.959964 * std::sqrt(18 + 1 - 36.0 / 202) / 202;
  EXPECT_NEAR(found.low, middle - reach, 1e-9);
  EXPECT_NEAR(found.high, middle + reach, 1e-9);
}

// Of many sets of inputs, of which some lose much and most little, the interval of nearly all holds the true mean.
TEST(DropInterval, HoldsTheTrueDropOfMostSets) {
  std::mt19937 random(7);
  auto pictures = [&](int count, std::vector<Score>& fp32, std::vector<Score>& network) {
    for (int i = 0; i < count; ++i) {
      const int changed = random() % 8 == 0 ? 20 : 4;
      Classes wanted(200), got;
      for (size_t p = 0; p < wanted.size(); ++p) wanted[p] = p < 100;
      got = wanted;
      for (int k = 0; k < changed; ++k) got[random() % got.size()] ^= 1;
      fp32.push_back(answer(Metric::dice, wanted, wanted));
      network.push_back(answer(Metric::dice, got, wanted));
    }
  };
  std::vector<Score> many_exact, many;
  pictures(20000, many_exact, many);
  const double truth = drop_of(many_exact, many);
  int held = 0;
  for (int set = 0; set < 60; ++set) {
    std::vector<Score> fp32, network;
    pictures(48, fp32, network);
    const DropInterval found = drop_interval(fp32, network);
    EXPECT_LT(found.low, drop_of(fp32, network));
    EXPECT_GT(found.high, drop_of(fp32, network));
    held += found.low <= truth && truth <= found.high;
  }
  EXPECT_GE(held, 52) << "of 60 at 95 %";
}

TEST(DropInterval, OfNoiseAndOfBoxes) {
  std::vector<Score> exact, noisy, found, missed;
  for (int i = 0; i < 40; ++i) {
    Score score(Metric::sqnr);
    score.powers.push_back({1, 0});
    exact.push_back(score);
    score.powers[0].noise = i % 2 ? 0.001 : 0.003;
    noisy.push_back(score);
    const std::vector<Detection> box{{0, 0, 10, 10, 1, 0.9f}};
    Score boxes(Metric::map);
    boxes.boxes.add(box, box);
    found.push_back(boxes);
    Score some(Metric::map);
    some.boxes.add(i % 4 ? box : std::vector<Detection>(), box);
    missed.push_back(some);
  }
  const DropInterval noise = drop_interval(exact, noisy), boxes = drop_interval(found, missed);
  EXPECT_GT(noise.low, 0.0015);
  EXPECT_LT(noise.high, 0.0025);
  EXPECT_GT(boxes.low, 0.1);
  EXPECT_LT(boxes.low, 0.2);
  EXPECT_GT(boxes.high, 0.3);
  EXPECT_LT(boxes.high, 0.45);
}

}  // namespace
}  // namespace quadlane::tools
