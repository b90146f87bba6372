#include "graph/quant/adaptive_rounding.h"

#include <algorithm>
#include <cmath>

#include "engine/base/on_isa.h"

namespace quadlane {
namespace {

constexpr double kRidge = 0.2;  // of the mean diagonal
constexpr double kMeanShare = 0.2;
constexpr double kFarthest = 1.5;  // steps from the exact weight: farther would trust C too much
constexpr int kSweeps = 12;
constexpr int kLargestWeight = 127;

// C + mean mean^T of a group's inputs in levels, as they count.
std::vector<double> level_moments(const LayerMoments& m, size_t group, std::span<const double> gain, size_t taps) {
  std::vector<double> c(m.length * m.length);
  auto per_level = [&](size_t i) { return gain[i / taps] != 0 ? 1 / gain[i / taps] : 0; };
  double diagonal = 0;
  for (size_t i = 0; i < m.length; ++i) {
    for (size_t j = 0; j < m.length; ++j) {
      const double moment = m.covariance(group, i, j) + kMeanShare * m.mean(group, i) * m.mean(group, j);
      c[i * m.length + j] = moment * per_level(i) * per_level(j);
    }
    diagonal += c[i * m.length + i];
  }
  for (size_t i = 0; i < m.length; ++i) c[i * m.length + i] += kRidge * diagonal / static_cast<double>(m.length);
  return c;
}

// y += a x, of n elements
void add_scaled(double* y, double a, const double* x, size_t n) {
  on_this_cpu([=] {
    for (size_t i = 0; i < n; ++i) y[i] += a * x[i];
  });
}

void descend(const std::vector<double>& c, std::span<const double> exact, std::span<int8_t> rounded) {
  const size_t n = exact.size();
  std::vector<double> slope(n, 0);  // C d
  for (size_t j = 0; j < n; ++j) add_scaled(slope.data(), rounded[j] - exact[j], &c[j * n], n);
  for (int sweep = 0, moved = 1; sweep < kSweeps && moved; ++sweep) {
    moved = 0;
    for (size_t i = 0; i < n; ++i) {
      const int step = slope[i] > 0 ? -1 : 1;
      const double change = 2 * step * slope[i] + c[i * n + i];
      const int level = rounded[i] + step;
      if (!(change < 0) || std::abs(level) > kLargestWeight || std::abs(level - exact[i]) > kFarthest) continue;
      rounded[i] = static_cast<int8_t>(level);
      add_scaled(slope.data(), step, &c[i * n], n);
      ++moved;
    }
  }
}

}  // namespace

void round_adaptively(const std::vector<double>& exact, const std::vector<double>& gain, const LayerMoments& m,
                      std::vector<int8_t>& rounded, const ParallelFor& parallel) {
  const size_t channels = gain.size() / m.groups, taps = m.length / channels;
  const size_t outputs = exact.size() / m.length / m.groups;
  for (size_t g = 0; g < m.groups; ++g) {
    const std::vector<double> c = level_moments(m, g, std::span(gain).subspan(g * channels, channels), taps);
    parallel(static_cast<int64_t>(outputs), [&](int64_t output) {
      const size_t first = (g * outputs + static_cast<size_t>(output)) * m.length;
      descend(c, std::span(exact).subspan(first, m.length), std::span(rounded).subspan(first, m.length));
    });
  }
}

}  // namespace quadlane
