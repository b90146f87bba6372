// A convolution in integers: weights that carry the input's scales and the batch norm in front, zero points, and a bias
// corrected for what rounding changes on average.
#pragma once
#include "graph/quant/storage.h"

namespace quadlane {

struct FoldedConv {
  std::vector<int32_t> zero;   // for each input channel: the byte subtracted, and the bound of its clamp
  std::vector<bool> negative;  // for each input channel: clamped from above (at zero) instead of from below
  std::vector<int32_t> reach;  // for each input channel: levels between zero and the clamp's other bound; 255: no bound
  Tensor weights;              // s8; of a convolution that stays in fp32: f32, scales of 1
  std::vector<float> scale;    // real = scale[o] * (sum w (clamp(q) - zero) + bias[o])
  Tensor bias;                 // s32 [O], or f32
};

// `shift[o]` is added to the result (a source's -low); empty means nothing. `input` is the profile of the value the
// convolution reads in the fp32 graph, or null.
FoldedConv fold_conv(const Graph&, const StoragePlan&, const QuantConv&, const std::vector<double>& shift,
                     const ValueProfile* input, const QuantPolicy&);

}  // namespace quadlane
