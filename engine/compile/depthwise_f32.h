// f32 convolutions whose outputs read one input channel each, on jit/kernels/depthwise_f32.h: any stride of rows, one
// or two pixels a step, whatever the dilation.
#pragma once

#include "engine/compile/conv_operands.h"
#include "engine/compile/emitter.h"
#include "ops/conv_attrs.h"

namespace quadlane::compile {

bool is_depthwise_f32(const Lowering&, const ConvOperands&, const ConvAttrs&);
// x has room for the taps; `residual` lies in planes like the result's.
Status emit_depthwise_f32(Lowering&, Emitter&, run::StepInfo, const ConvOperands&, const ConvAttrs&,
                          const std::vector<ConvSection>& sections, const PlanarValue& x, const PlanarValue& out,
                          const PlanarValue* residual);

}  // namespace quadlane::compile
