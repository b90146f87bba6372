#include "graph/quant/paired.h"

#include <cmath>

namespace quadlane {

double level_db(std::span<const double> db) {
  double noise = 0;
  for (double d : db) noise += std::pow(10, -d / 10);
  return -10 * std::log10(noise / static_cast<double>(db.size()));
}

PairedGain paired_gain(std::span<const double> db, std::span<const double> before) {
  PairedGain gain;
  gain.inputs = db.size();
  const double n = static_cast<double>(db.size());
  for (size_t i = 0; i < db.size(); ++i) {
    gain.mean += (db[i] - before[i]) / n;
    gain.better += db[i] > before[i];
    gain.worse += db[i] < before[i];
  }
  double squares = 0;
  for (size_t i = 0; i < db.size(); ++i) squares += std::pow(db[i] - before[i] - gain.mean, 2);
  gain.error = db.size() > 1 ? std::sqrt(squares / (n - 1) / n) : HUGE_VAL;
  return gain;
}

}  // namespace quadlane
