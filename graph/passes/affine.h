// Operators that are y = scale[c] * x + shift[c] for each channel c (axis 1).
#pragma once
#include "graph/passes/rewrite.h"

namespace quadlane {

struct Affine {
  ValueId x = kNoValue;
  std::vector<double> scale, shift;
};
// BatchNormalization with constant statistics; Mul, Div, Add, Sub with a constant for each channel or one for all; Neg.
// Only f32 values of rank 3 and more that have channels. Empty for everything else.
std::optional<Affine> as_affine(const Graph&, const Node&);
// BatchNormalization that computes it: variance 1, epsilon 0, mean 0.
Node make_batch_norm(Graph&, const Affine&, const std::string& name);

}  // namespace quadlane
