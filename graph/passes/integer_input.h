// The input of an integer convolution: bytes, zero points, and a clamp.
#pragma once
#include "graph/passes/quant_match.h"

namespace quadlane {

// real[c] = (clamp(q[c], lo[c], hi[c]) - z[c]) * scale. Vectors have an element for each channel, or none: no zero
// point, no lower or no upper bound.
struct IntegerInput {
  ValueId q = kNoValue;
  float scale = 1;
  std::vector<uint8_t> z, lo, hi;
};
// Reads v as DequantizeLinear of a u8 value, then any chain of Relu, Clip, Max and Min with constants for each channel.
// Empty when there is none, when the scales differ, or when a bound is not a whole level, or excludes the zero point.
std::optional<IntegerInput> integer_input(const Graph&, ValueId v);

}  // namespace quadlane
