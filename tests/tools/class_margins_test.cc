#include "tools/accuracy/class_margins.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace quadlane::tools {
namespace {

Tensor rows_of(const std::vector<std::vector<float>>& rows) {
  std::vector<float> all;
  for (const std::vector<float>& row : rows) all.insert(all.end(), row.begin(), row.end());
  return Tensor::from<float>({static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())}, all);
}

struct Answers {
  std::vector<std::vector<float>> exact, moved;
  double changed() const {
    size_t count = 0;
    for (size_t i = 0; i < exact.size(); ++i) count += largest(exact[i]) != largest(moved[i]);
    return static_cast<double>(count) / static_cast<double>(exact.size());
  }
  static size_t largest(const std::vector<float>& row) {
    return static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin());
  }
};

Answers answers_of(std::mt19937& random, int count, int classes, float error) {
  std::normal_distribution<float> normal;
  Answers made;
  for (int i = 0; i < count; ++i) {
    std::vector<float> exact, moved;
    for (int k = 0; k < classes; ++k) {
      exact.push_back(3 * normal(random));
      moved.push_back(exact.back() + error * normal(random));
    }
    made.exact.push_back(exact), made.moved.push_back(moved);
  }
  return made;
}

double expected(const Answers& answers, float threshold = 0) {
  ClassMargins margins;
  margins.add(rows_of(answers.exact), rows_of(answers.moved), threshold);
  return margins.expected_changes();
}

TEST(ClassMargins, ExactScoresChangeNothing) {
  std::mt19937 random(1);
  EXPECT_EQ(expected(answers_of(random, 50, 5, 0)), 0);
  EXPECT_EQ(ClassMargins().expected_changes(), 0);
}

// Of sets of 96 answers: right on average, and nearer than the share that did change.
TEST(ClassMargins, SaysMoreThanTheShareThatChanged) {
  for (int classes : {2, 5}) {
    std::mt19937 random(2);
    const double truth = answers_of(random, 100000, classes, 0.2f).changed();
    double mean = 0, by_margins = 0, by_count = 0;
    for (int set = 0; set < 200; ++set) {
      const Answers answers = answers_of(random, 96, classes, 0.2f);
      const double found = expected(answers);
      mean += found / 200;
      by_margins += (found - truth) * (found - truth);
      by_count += (answers.changed() - truth) * (answers.changed() - truth);
    }
    EXPECT_NEAR(mean, truth, 0.2 * truth) << classes;
    EXPECT_LT(std::sqrt(by_margins), 0.7 * std::sqrt(by_count)) << classes;
  }
}

TEST(ClassMargins, ProbabilitiesAreComparedAsScores) {
  std::mt19937 random(3);
  Answers answers = answers_of(random, 96, 4, 0.3f);
  const double of_scores = expected(answers);
  for (auto* side : {&answers.exact, &answers.moved})
    for (std::vector<float>& row : *side) {
      float sum = 0;
      for (float& v : row) v = std::exp(v), sum += v;
      for (float& v : row) v /= sum;
    }
  EXPECT_GT(of_scores, 0);
  EXPECT_NEAR(expected(answers, 0.5f), of_scores, 0.1 * of_scores);
}

// One number tells two classes by a threshold: the same as two scores, of which one is always the threshold.
TEST(ClassMargins, OfOneNumber) {
  std::mt19937 random(4);
  Answers one = answers_of(random, 96, 1, 0.3f), two = one;
  for (auto* side : {&two.exact, &two.moved})
    for (std::vector<float>& row : *side) row.push_back(0);
  EXPECT_GT(expected(one), 0);
  EXPECT_DOUBLE_EQ(expected(one), expected(two));
}

TEST(ClassMargins, NotANumberIsAnError) {
  std::mt19937 random(6);
  const Answers answers = answers_of(random, 40, 3, 0);
  Answers lost = answers, unknown = answers;
  for (std::vector<float>& row : lost.moved) row = {NAN, NAN, HUGE_VALF};
  EXPECT_EQ(expected(lost), 1);  // one in two for each of two rivals
  for (std::vector<float>& row : unknown.exact) row[1] = NAN;
  EXPECT_EQ(expected(unknown), 0);
}

// Margins of single inputs add up to those of a batch, and integers say nothing.
TEST(ClassMargins, AddUp) {
  std::mt19937 random(5);
  const Answers answers = answers_of(random, 40, 3, 0.5f);
  ClassMargins sum;
  for (size_t i = 0; i < answers.exact.size(); ++i) {
    ClassMargins single;
    single.add(rows_of({answers.exact[i]}), rows_of({answers.moved[i]}), 0);
    sum += single;
  }
  EXPECT_DOUBLE_EQ(sum.expected_changes(), expected(answers));
  const Tensor integers = Tensor::from<int64_t>({4, 1}, std::vector<int64_t>{3, 1, 2, 0});
  ClassMargins none;
  none.add(integers, integers, 0);
  EXPECT_EQ(none.expected_changes(), 0);
}

}  // namespace
}  // namespace quadlane::tools
