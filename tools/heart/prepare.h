// From a slice as it comes from the scanner to the network's input, and labels back. tools/showcase/README.md says the
// same in words and tools/showcase/preprocess.py in Python; all give the same bits.
#pragma once

#include <cstdint>
#include <span>

namespace quadlane::tools {

// Cuts or pads rows and columns to size x size about the centre: with n input pixels along an axis the cut starts at
// (n - size) / 2, a short axis is placed at (size - n) / 2. Grey values become (v - low) / (high - low), clamped to
// [0, 1], low and high being the 1st and 99th percentile (by rank, rounded down) of the pixels kept; padding is 0.
void prepare(std::span<const float> slice, int rows, int columns, int size, std::span<float> target);

// The inverse for labels: pixels outside the cut are 0.
void place_back(std::span<const uint8_t> labels, int size, int rows, int columns, std::span<uint8_t> target);

}  // namespace quadlane::tools
