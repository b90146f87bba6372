#include "graph/quant/kernel_rounding.h"

#include <algorithm>
#include <cmath>

namespace quadlane {

std::vector<int8_t> round_kernels(const std::vector<double>& exact, size_t taps) {
  std::vector<int8_t> rounded(exact.size());
  for (size_t first = 0; first < exact.size(); first += taps) {
    double error = 0;
    for (size_t i = first; i < first + taps; ++i) {
      rounded[i] = static_cast<int8_t>(std::clamp(std::nearbyint(exact[i]), -kLargestWeight, kLargestWeight));
      error += rounded[i] - exact[i];
    }
    for (size_t moves = 0; moves < taps && std::abs(error) > 0.5; ++moves) {
      int step = error > 0 ? -1 : 1;
      size_t best = first;
      for (size_t i = first; i < first + taps; ++i)
        if ((rounded[i] - exact[i]) * step < (rounded[best] - exact[best]) * step) best = i;
      if (std::abs(rounded[best] + step) > kLargestWeight) break;
      rounded[best] = static_cast<int8_t>(rounded[best] + step);
      error += step;
    }
  }
  return rounded;
}

}  // namespace quadlane
