#include "tools/measure/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace quadlane::measure {

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(place), above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

Spread spread(const std::vector<double>& values) {
  return {quantile(values, 0.5), quantile(values, 0), quantile(values, 1)};
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double variation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double middle = mean(values);
  double squares = 0;
  for (double v : values) squares += (v - middle) * (v - middle);
  return std::sqrt(squares / static_cast<double>(values.size() - 1)) / middle;
}

double confidence95(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  // The 97.5 % quantile of Student's distribution by Cornish and Fisher's expansion: within 1 % from 3 degrees on.
  const double n = static_cast<double>(values.size() - 1), z = 1.959964;
  const double t = z + (z * z * z + z) / (4 * n) + (5 * std::pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * n * n) +
                   (3 * std::pow(z, 7) + 19 * std::pow(z, 5) + 17 * z * z * z - 15 * z) / (384 * n * n * n);
  return t * variation(values) * mean(values) / std::sqrt(n + 1);
}

namespace {

// All ways to choose which of the values are the first set's are equally likely: the share of them whose sum of ranks
// lies as far from the middle as this one's. Ranks are doubled, so that those of equal values (the mean of the group's)
// are whole numbers.
double exact_rank_test(const std::vector<double>& a, const std::vector<double>& b) {
  const size_t n = a.size() + b.size(), most = n * (n + 1), middle = a.size() * (n + 1);
  std::vector<double> sorted = a;
  sorted.insert(sorted.end(), b.begin(), b.end());
  std::sort(sorted.begin(), sorted.end());
  auto rank = [&](double value) {
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), value);
    return static_cast<size_t>(first - sorted.begin() + (last - sorted.begin()) + 1);
  };
  std::vector<std::vector<double>> ways(a.size() + 1, std::vector<double>(most + 1));  // [chosen][their sum]
  ways[0][0] = 1;
  for (double value : sorted)
    for (size_t k = a.size(), r = rank(value); k > 0; --k)
      for (size_t sum = r; sum <= most; ++sum) ways[k][sum] += ways[k - 1][sum - r];
  auto distance = [&](size_t sum) { return sum > middle ? sum - middle : middle - sum; };
  size_t ours = 0;
  for (double x : a) ours += rank(x);
  double all = 0, as_far = 0;
  for (size_t sum = 0; sum <= most; ++sum) {
    all += ways[a.size()][sum];
    if (distance(sum) >= distance(ours)) as_far += ways[a.size()][sum];
  }
  return as_far / all;
}

}  // namespace

double rank_test(const std::vector<double>& a, const std::vector<double>& b) {
  constexpr size_t kExactUpTo = 40;
  if (a.empty() || b.empty()) return 1;
  if (a.size() + b.size() <= kExactUpTo) return exact_rank_test(a, b);
  double wins = 0;
  for (double x : a)
    for (double y : b) wins += x > y ? 1 : x == y ? 0.5 : 0;
  const double na = static_cast<double>(a.size()), nb = static_cast<double>(b.size());
  const double deviation = std::sqrt(na * nb * (na + nb + 1) / 12);
  const double z = std::max(0.0, std::abs(wins - na * nb / 2) - 0.5) / deviation;  // corrected for continuity
  return std::erfc(z / std::sqrt(2.0));
}

double least_rank_p(size_t a, size_t b) {
  double ways = 1;  // to choose a of a + b
  for (size_t i = 1; i <= std::min(a, b); ++i) ways *= static_cast<double>(a + b + 1 - i) / static_cast<double>(i);
  return std::min(1.0, 2 / ways);
}

double geometric_mean(const std::vector<double>& values) {
  std::vector<double> logs;
  for (double v : values) logs.push_back(std::log(v));
  return std::exp(mean(logs));
}

}  // namespace quadlane::measure
