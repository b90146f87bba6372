// Weights to s8 such that each kernel keeps its sum.
#pragma once

#include <cstdint>
#include <vector>

namespace quadlane {

inline constexpr double kLargestWeight = 127;

// Rounds to the nearest, then moves the weights nearest to a tie until the sum of each kernel of so many taps is right
// to half a level: what a kernel adds up over neighbouring pixels, which are alike, matters more than its single taps.
std::vector<int8_t> round_kernels(const std::vector<double>& exact, size_t taps);

}  // namespace quadlane
