// How far a value that is stored as bytes lies from what it should be.
#pragma once

#include "engine/base/tensor.h"
#include "graph/quant/quantize.h"
#include "tools/measure/deviation.h"

namespace quadlane::tools {

// The name of a value's bytes in a quantized graph.
inline std::string bytes_of(const std::string& value) { return value + "_quantized"; }

struct LevelDeviation {
  measure::Deviation values;  // of bytes as numbers; where levels clamp on purpose, from the clamped number
  double beyond = 0;          // elements outside the range
  double count = 0;           // elements

  // real: f32, [n,c,...]; bytes: u8 of the same shape, with the value's levels.
  void add(const Tensor& real, const Tensor& bytes, const QuantValue& value);
};

}  // namespace quadlane::tools
