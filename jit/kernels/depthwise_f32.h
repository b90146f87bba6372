// Depthwise convolution of f32 planes: every output channel reads one input channel.
//
//   y[p] = act(bias + sum over taps (i, j), rows first, of w[i][j] * src[step * p + dilation * (i, j)] [+ r[p]])
//
// The tile is `rows` rows of a result plane, one register of pixels wide. A register of a source row serves every
// result row that has a tap there, so 3x3 takes 1.5 to 2 loads for 3 multiplications instead of 3:
//
//      source row 0  | x x x x ... |   row 0 of the taps of result row 0
//      source row 1  | x x x x ... |   row 1 of result row 0, row 0 of result row 1
//      source row 2  | x x x x ... |   row 2 of result row 0, row 1 of result row 1, row 0 of result row 2
//
// The taps of a row, with AVX-512: shifts of one load (step 1), or permutations of two that follow each other (step 2). A
// register then holds only as many results as have all of their pixels in those loads, 14 or 15 for three taps, and
// where that would be many registers more, each tap is a load. Rows of up to 8 pixels go two at a time, the second in
// the register's upper half, floor(rows / 2) rows below; where rows is odd, one row is made twice. AVX2 loads for each
// tap, and at step 2 splits two loads into even and odd pixels.
//
// Weights stand in registers as long as there are some; a call goes through all planes of its block, because a plane of
// 7x7 pixels is some 45 cycles. Arguments are OconvArgs (engine/base/abi/oconv.h): one section whose
// planes and the results' are as many, tiles of `rows` rows, and `weights` as pack_depthwise_f32() makes them; bias,
// mult, shift and clamps are not read. Nothing behind a row's pixels is stored.
#pragma once

#include <functional>

#include "engine/base/abi/oconv.h"
#include "engine/base/cpu.h"
#include "engine/base/status.h"
#include "jit/kernels/activation.h"
#include "jit/machine_code.h"

namespace quadlane {

struct DepthwiseF32Spec {
  Isa isa = Isa::avx512_vnni;
  int kernel_y = 1, kernel_x = 1, dilation_y = 1, dilation_x = 1, step_y = 1, step_x = 1;
  int rows = 1, w = 1;               // of the result: of a tile, in a row
  int64_t origin = 0;                // bytes from the result's pixel, scaled by the steps, to tap (0, 0)
  int64_t src_row = 0, dst_row = 0;  // bytes from one row to the next
  Activation act = Activation::none;
  bool residual = false;
  auto operator<=>(const DepthwiseF32Spec&) const = default;
};
std::string describe(const DepthwiseF32Spec&);
Status check(const DepthwiseF32Spec&);
// The rows of a tile for a result of h rows: as many as registers allow, evenly.
int depthwise_f32_rows(const DepthwiseF32Spec&, int h);
Result<MachineCode> generate(const DepthwiseF32Spec&, const GenerateOptions& = {});

// For each plane of a block: bias, then the weights, row by row.
std::vector<float> pack_depthwise_f32(const DepthwiseF32Spec&, int64_t planes,
                                      const std::function<float(int64_t)>& bias,
                                      const std::function<float(int64_t plane, int i, int j)>& weight);

}  // namespace quadlane
