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

double rank_test(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 4 || b.size() < 4) return 1;
  double wins = 0;
  for (double x : a)
    for (double y : b) wins += x > y ? 1 : x == y ? 0.5 : 0;
  const double na = static_cast<double>(a.size()), nb = static_cast<double>(b.size());
  const double deviation = std::sqrt(na * nb * (na + nb + 1) / 12);
  const double z = std::max(0.0, std::abs(wins - na * nb / 2) - 0.5) / deviation;  // corrected for continuity
  return std::erfc(z / std::sqrt(2.0));
}

double geometric_mean(const std::vector<double>& values) {
  std::vector<double> logs;
  for (double v : values) logs.push_back(std::log(v));
  return std::exp(mean(logs));
}

}  // namespace quadlane::measure
