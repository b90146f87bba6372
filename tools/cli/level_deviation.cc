#include "tools/cli/level_deviation.h"

#include <algorithm>

namespace quadlane::tools {

void LevelDeviation::add(const Tensor& real, const Tensor& bytes, const QuantValue& value) {
  const Shape& s = real.shape();
  const int64_t channels = s.size() < 2 ? 1 : s[1], batch = s.size() < 2 ? 1 : s[0],
                inner = real.count() / batch / channels;
  for (int64_t row = 0; row < batch * channels; ++row) {
    const size_t c = static_cast<size_t>(row % channels);
    const double scale = value.scale_of(c), low = value.low_of(c), high = low + 255 * scale;
    const float* x = real.as<float>() + row * inner;
    const uint8_t* q = bytes.as<uint8_t>() + row * inner;
    for (int64_t i = 0; i < inner; ++i) {
      const double wanted = value.clamped ? std::clamp<double>(x[i], low, high) : x[i];
      values.add(wanted, low + scale * q[i]);
      beyond += x[i] < low - scale / 2 || x[i] > high + scale / 2;
    }
    count += static_cast<double>(inner);
  }
}

}  // namespace quadlane::tools
