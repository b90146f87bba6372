// What a convolution costs beside its multiply-accumulates: lanes that hold nothing, and bytes that its loops fetch
// again.
#pragma once

#include <span>
#include <vector>

#include "engine/base/geometry.h"
#include "engine/run/step.h"
#include "jit/kernels/conv.h"

namespace quadlane::compile {

// Sets info.gmac_lanes and info.bytes_filled. `blocks`: for each block of outputs, how many there are and the planes of
// each section; `pixels_in_l1`: whether what a tile reads of all taps stays in the first-level cache until the row
// below.
struct BlockWork {
  int outputs;
  std::vector<int64_t> section_planes;
};
void note_conv_work(run::StepInfo&, const ConvSpec&, std::span<const BlockWork>, const Geometry& src,
                    const Geometry& dst, int64_t band_tiles, int64_t l1_bytes);

}  // namespace quadlane::compile
