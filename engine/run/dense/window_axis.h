// A window that slides along an axis: tap k of output o reads input o * stride - pad + k * dilation.
#pragma once

#include <cstdint>
#include <tuple>

namespace quadlane::run {

struct WindowAxis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, pad = 0, dilation = 1;
  static constexpr auto kFields = std::tuple{&WindowAxis::in,     &WindowAxis::out, &WindowAxis::kernel,
                                             &WindowAxis::stride, &WindowAxis::pad, &WindowAxis::dilation};

  // All numbers are such that none of their sums and products overflows.
  bool is_sound() const {
    constexpr int64_t kMost = INT32_MAX;
    for (int64_t positive : {in, out, kernel, stride, dilation})
      if (positive < 1 || positive > kMost) return false;
    return pad >= 0 && pad <= kMost;
  }
};

}  // namespace quadlane::run
