#include "tools/accuracy/score.h"

#include <algorithm>
#include <cmath>

namespace quadlane::tools {

void Power::add(const Tensor& wanted, const Tensor& got) {
  if (wanted.dtype() != DType::f32) return;
  for (int64_t i = 0; i < wanted.count(); ++i) {
    const double w = wanted.as<float>()[i], d = got.as<float>()[i] - w;
    signal += w * w;
    noise += d * d;
  }
}

double Power::share() const {
  if (!std::isfinite(signal) || !std::isfinite(noise)) return HUGE_VAL;
  return signal > 0 ? noise / signal : noise > 0 ? HUGE_VAL : 0;
}

Score& Score::operator+=(const Score& other) {
  task += other.task;
  margins += other.margins;
  boxes += other.boxes;
  powers.resize(std::max(powers.size(), other.powers.size()));
  for (size_t i = 0; i < other.powers.size(); ++i) {
    powers[i].signal += other.powers[i].signal;
    powers[i].noise += other.powers[i].noise;
  }
  return *this;
}

double Score::noise() const {
  double most = 0;
  for (const Power& power : powers) most = std::max(most, power.share());
  return most;
}

double Score::value() const {
  if (metric == Metric::sqnr) return 1 - noise();
  return metric == Metric::map ? boxes.value() : task.value();
}

}  // namespace quadlane::tools
