// Rounding a convolution's weights for the least error of its output on the calibration inputs, not of the weights:
//
//   E[(sum d_i x_i)^2] = d^T (C + mean mean^T) d      d = rounded - exact, C the covariance of the inputs under the
//                                                     kernel
//
// Coordinate descent: weight after weight moves to the neighbouring level where that lowers the error, until none does.
//
// C and the mean are those of some pictures, others have others. So C's diagonal counts more than it is (kRidge), which
// pulls towards the nearest level; and of the mean's error, which the bias correction takes away on the calibration
// inputs, a share counts (kMeanShare): rounding that is free to be wrong about the mean is wrong by sum(d) times what a
// picture's mean differs by.
#pragma once

#include "graph/quant/input_moments.h"
#include "graph/quant/parallel.h"

namespace quadlane {

// `exact`: weights [output][patch] in steps, for a convolution whose input channel c counts gain[c] a step; dead
// channels (gain 0) stay. `rounded`: where to begin, and the result.
void round_adaptively(const std::vector<double>& exact, const std::vector<double>& gain, const LayerMoments&,
                      std::vector<int8_t>& rounded, const ParallelFor& parallel = one_by_one);

}  // namespace quadlane
