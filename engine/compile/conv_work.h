// What a convolution costs beside its multiply-accumulates: lanes that hold nothing, and bytes that its loops fetch
// again.
#pragma once

#include <span>
#include <string>

#include "engine/base/geometry.h"
#include "engine/run/step.h"
#include "graph/graph.h"
#include "jit/kernels/conv.h"
#include "ops/conv_attrs.h"

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

// "conv u8 1x96x56x56 -> 24x56x56 k3x3 s1x1 d1x1 p1,1,1,1 g1": what a node computes; bench/kernel reads it back.
std::string conv_problem(const Node&, DType, const Shape& x, const Shape& y, const ConvAttrs&);

}  // namespace quadlane::compile
