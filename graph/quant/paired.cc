#include "graph/quant/paired.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace quadlane {
namespace {

double mean(std::span<const double> values) {
  double sum = 0;
  for (double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double error_of_mean(std::span<const double> values) {
  const double n = static_cast<double>(values.size()), middle = mean(values);
  double squares = 0;
  for (double v : values) squares += (v - middle) * (v - middle);
  return values.size() > 1 ? std::sqrt(squares / (n - 1) / n) : HUGE_VAL;
}

std::vector<double> means_of_runs(std::span<const double> values, size_t runs) {
  std::vector<double> means;
  for (size_t k = 0; k < runs; ++k) {
    const size_t first = k * values.size() / runs, behind = (k + 1) * values.size() / runs;
    means.push_back(mean(values.subspan(first, behind - first)));
  }
  return means;
}

}  // namespace

double level_db(std::span<const double> db) {
  double noise = 0;
  for (double d : db) noise += std::pow(10, -d / 10);
  return -10 * std::log10(noise / static_cast<double>(db.size()));
}

PairedGain paired_gain(std::span<const double> db, std::span<const double> before, size_t runs) {
  PairedGain gain;
  gain.inputs = db.size();
  std::vector<double> gains;
  for (size_t i = 0; i < db.size(); ++i) {
    gains.push_back(db[i] - before[i]);
    gain.better += db[i] > before[i];
    gain.worse += db[i] < before[i];
  }
  gain.mean = mean(gains);
  gain.error = error_of_mean(gains);
  if (runs > 1 && runs < gains.size()) gain.error = std::max(gain.error, error_of_mean(means_of_runs(gains, runs)));
  return gain;
}

}  // namespace quadlane
