// Weights and bias of a convolution or product in the form for any engine.
#pragma once

#include <span>

#include "graph/graph.h"
#include "graph/quant/input_moments.h"
#include "graph/quant/parallel.h"

namespace quadlane {

struct RoundedWeights {
  Tensor weights;            // s8, of the shape that the graph has
  std::vector<float> scale;  // of each channel of `axis`; groups of a transposed convolution share theirs
  int64_t axis = 0;
  std::vector<double> bias;  // of each output: numbers, with what rounding adds on average taken out
};

// The largest weight of a channel becomes 127; less where the bias would not fit into 32 bits of input scale times
// weight scale (`input_scale` 0: there is none). `means`: of the input's channels, for the bias; empty: it stays as it
// is. `moments`: of a convolution's inputs, for adaptive rounding; or null.
RoundedWeights round_weights(const Graph&, const Node&, float input_scale, std::span<const double> means,
                             const LayerMoments* moments = nullptr, const ParallelFor& parallel = one_by_one);

}  // namespace quadlane
