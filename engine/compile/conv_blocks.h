// Convolutions on the kernels of jit/kernels/conv.h: blocks of output channels, their packed weights, and the step made
// of them.
#pragma once

#include "engine/compile/conv_operands.h"

namespace quadlane::compile {

// Chooses a schedule, generates the kernels, packs the weights and appends the step. phases[s] are the planes that
// section s reads; all share one geometry.
Status emit_conv(Lowering&, Emitter&, run::StepInfo, const ConvOperands&, const std::vector<PlanarValue>& phases,
                 const std::vector<ConvSection>&, const PlanarValue& out, const PlanarValue* residual);

}  // namespace quadlane::compile
