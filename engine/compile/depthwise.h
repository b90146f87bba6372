// Convolutions whose outputs read one input channel each, on jit/kernels/depthwise.h.
#pragma once

#include "engine/compile/conv_operands.h"
#include "ops/conv_attrs.h"

namespace quadlane::compile {

// How the kernels go through the source: flattened at stride 1 (pixels 0; strides are phases), or by rows.
struct DepthwiseWalk {
  int rows = 0, pixels = 0;  // of the source for one of the result
};
// The walk that needs no phases, where there is one.
DepthwiseWalk depthwise_walk(const ConvAttrs&);

// Whether the depthwise kernels compute it: u8 to u8, one input channel a group, all bytes of a result plane from one
// source plane. `phases` are the planes of each section, as for emit_conv.
bool is_depthwise(const ConvOperands&, const std::vector<PlanarValue>& phases, const std::vector<ConvSection>&,
                  DepthwiseWalk, bool residual);
// Planes for the result: with one output a channel those of the source, byte by byte.
PlanarValue depthwise_result(Lowering&, const ConvOperands&, const PlanarValue& x, LayoutId);
Status emit_depthwise(Lowering&, Emitter&, run::StepInfo, const ConvOperands&, const std::vector<PlanarValue>& phases,
                      const std::vector<ConvSection>&, DepthwiseWalk, const PlanarValue& out,
                      const PlanarValue* residual);

}  // namespace quadlane::compile
