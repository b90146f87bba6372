// Rounding a convolution's weights for the least error of its output on the calibration inputs, not of the weights:
//
//   E[(sum d_i x_i)^2] = d^T C d      d = rounded - exact, C the covariance of the inputs under the kernel
//
// (the mean of the error is the bias correction's). Coordinate descent: weight after weight moves to the neighbouring
// level where that lowers the error, until none does. C is unknown where few patches were seen, so its diagonal counts
// a little more (kRidge), which pulls towards the nearest level.
#pragma once

#include "graph/quant/input_moments.h"

namespace quadlane {

// `exact`: weights [output][patch] in steps, for a convolution whose input channel c counts gain[c] a step; dead
// channels (gain 0) stay. `rounded`: where to begin, and the result.
void round_adaptively(const std::vector<double>& exact, const std::vector<double>& gain, const LayerMoments&,
                      std::vector<int8_t>& rounded);

}  // namespace quadlane
