// Space to depth in front of strided convolutions, depth to space behind transposed ones.
#pragma once

#include "engine/compile/conv_operands.h"

namespace quadlane::compile {

// For each section the planes of its phase: pixel (y, x) of phase (py, px) is x's pixel (y*sh + py, x*sw + px). Appends
// the step that makes them. `in` is x's shape.
std::vector<PlanarValue> split_phases(Lowering&, const std::string& name, const PlanarValue& x, const Shape& in,
                                      const std::vector<int64_t>& strides, const std::vector<ConvSection>&, LayoutId);
// results[ry * sw + rx] holds the pixels (y*sh + ry, x*sw + rx) of `out`.
void emit_interleave(Lowering&, const Node&, const std::vector<PlanarValue>& results, const PlanarValue& out,
                     int64_t sh, int64_t sw);

}  // namespace quadlane::compile
