// Cross-layer equalization: the channels of a value get ranges of one size, so that one scale suits them all.
//
// Channel c of a value is divided by a factor s[c] > 0 where it is computed and multiplied by it where it is read:
//   convolution in front     w'[c] = w[c] / s[c],  b'[c] = b[c] / s[c]
//   convolution behind       w'[.][c] = w[.][c] s[c]
// and what lies between must not notice: Relu, LeakyRelu, PRelu, pools, Resize, Concat, and Add of values with equal
// factors satisfy f(x / s) = f(x) / s. A batch norm takes one factor in and gives another out. The network computes the
// same but for rounding. With a scale for each output channel of the weights, dividing a row costs nothing; of a column
// it makes the share of the sum that the channel really has what counts. (Nagel et al., Data-Free Quantization Through
// Weight Equalization and Bias Correction, 2019, balance the ranges of weights instead, of which every tensor has one.)
#pragma once

#include "graph/quant/quantize.h"

namespace quadlane {

inline constexpr const char* kEqualizedSuffix = "_equalized";

// Factors by the value's name, one for each channel; values whose factors are 1 are left out.
using ChannelFactors = std::map<std::string, std::vector<double>>;

// The factors with which every channel's largest number, with headroom, is 1; or as large as that of channels beside it
// that cannot be scaled: the network's inputs and outputs, and what an operator of another kind reads or computes. For
// Quadlane, where only what is added shares a scale, the channels of sums and of what they are tied to.
ChannelFactors equalizing_factors(const Graph& simplified, const Profile&, const QuantPolicy&);
// Whether there are channels that could have some.
bool can_equalize(const Graph& simplified, QuantForm);

// Applies them to the graph, or to another of the same network for inputs of another shape, and to statistics of it.
// Values with factors are other numbers now and have other names: NAME_equalized.
void equalize(Graph& simplified, const ChannelFactors&);
Profile equalized(const Profile&, const ChannelFactors&);

}  // namespace quadlane
