// Bias correction where it decides: between two classes that nearly tie.
//
// A segmentation network's answer is the largest of its last convolution's channels, so what moves a border is the mean
// error of int8 near ties; over all pixels, most of them plain background, that mean may be zero and the borders
// shifted all the same, one way for the whole data set. Offsets b of the classes are chosen so that on the inputs each
// class keeps the area it has in fp32, counted softly:
//
//   sum over pixels of softmax((y_int8 + b) / T)  =  sum over pixels of softmax(y_fp32 / T)
//
// by Newton's method, T being four times the error of the first input. Pixels whose best class leads by 8 T in both
// networks decide nothing and are left out, as is what comes after 2^24 values. The bias of the last convolution takes
// the offsets, nothing else changes.
#pragma once

#include "graph/quant/quantize.h"
#include "tools/cli/samples.h"

namespace quadlane::tools {

// Adds to policy.bias_shift of the convolution that is the network's first output; false where there is no such one
// with 2 to 64 classes.
Result<bool> balance_decisions(const Graph& fp32, const Profile&, std::span<const Sample>, const CalibrationSource&,
                               QuantPolicy&);

// The offsets for pixels [n][classes] of both networks.
std::vector<double> area_offsets(std::span<const float> fp32, std::span<const float> int8, size_t classes, double t);

}  // namespace quadlane::tools
