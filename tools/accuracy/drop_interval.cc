#include "tools/accuracy/drop_interval.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace quadlane::tools {
namespace {

constexpr size_t kResamples = 1000;
constexpr double kTail = 0.025, kDeviations = 1.959964;

// Of what is always right, by the network's wrong answers.
DropInterval wilson(double wrong, double all) {
  const double share = wrong / all, z2 = kDeviations * kDeviations / all;
  const double reach = kDeviations * std::sqrt(share * (1 - share) / all + z2 / (4 * all));
  return {std::max(0.0, (share + z2 / 2 - reach) / (1 + z2)), (share + z2 / 2 + reach) / (1 + z2)};
}

DropInterval agresti_min(double lost, double won, double all) {
  all += 2;
  const double drop = lost - won, variance = (lost + won + 1 - drop * drop / all) / (all * all);
  const double reach = kDeviations * std::sqrt(std::max(0.0, variance));
  return {drop / all - reach, drop / all + reach};
}

DropInterval of_answers(std::span<const Score> fp32, std::span<const Score> network) {
  double right = 0, lost = 0, won = 0, all = 0;
  for (size_t i = 0; i < fp32.size(); ++i) {
    const double change = fp32[i].task.right() - network[i].task.right();
    (change > 0 ? lost : won) += std::abs(change);
    right += fp32[i].task.right();
    all += fp32[i].task.answers();
  }
  if (all == 0) return {};  // labels that accept anything
  return right == all ? wilson(lost, all) : agresti_min(lost, won, all);
}

}  // namespace

DropInterval drop_interval(std::span<const Score> fp32, std::span<const Score> network) {
  const Metric metric = fp32[0].metric;
  if (metric == Metric::top1) return of_answers(fp32, network);
  std::mt19937 random(1);
  std::vector<double> drops;
  for (size_t k = 0; k < kResamples; ++k) {
    Score exact(metric), got(metric);
    for (size_t i = 0; i < fp32.size(); ++i) {
      const size_t chosen = random() % fp32.size();
      exact += fp32[chosen];
      got += network[chosen];
    }
    drops.push_back(exact.value() - got.value());
  }
  std::sort(drops.begin(), drops.end());
  const auto tail = static_cast<size_t>(kTail * kResamples);
  return {drops[tail], drops[kResamples - 1 - tail]};
}

}  // namespace quadlane::tools
