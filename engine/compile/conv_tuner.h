// Chooses how a convolution is tiled: by the model's ranking, or by timing the best few candidates on this machine.
#pragma once

#include "engine/compile/lowering.h"
#include "jit/kernels/conv.h"

namespace quadlane::compile {

// With Lowering::tune the best kTunedCandidates of the model are timed on planes of the real size; only where this
// machine can run the code.
Result<ConvSchedule> choose_conv_schedule(Lowering&, const ConvSpec&, const ConvExtent&);

// Tiles of a band: the pixels a band reads should stay in half of L2 while every block of outputs reads them.
int64_t conv_band_tiles(const CpuInfo&, const ConvExtent&, const ConvSpec&);

}  // namespace quadlane::compile
