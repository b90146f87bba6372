// What a convolution costs beside its multiply-accumulates: lanes that hold nothing, and bytes that its loops fetch
// again.
#pragma once

#include <span>
#include <vector>

#include "engine/base/geometry.h"
#include "engine/run/step.h"
#include "jit/kernels/conv.h"

namespace quadlane::compile {

struct BlockWork {  // a block of outputs, and how many planes it reads of each section
  int outputs;
  std::vector<int64_t> section_planes;
};
// Sets info.gmac_lanes and info.bytes_filled.
void note_conv_work(run::StepInfo&, const ConvSpec&, std::span<const BlockWork>, const Geometry& src,
                    const Geometry& dst, int64_t band_tiles, int64_t l1_bytes);

}  // namespace quadlane::compile
