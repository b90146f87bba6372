// Convolutions on the kernels of jit/kernels/oconv.h: output channels in the lanes.
#pragma once

#include "engine/compile/oconv_tiling.h"

namespace quadlane::compile {

// Whether padding contributes nothing: every channel's zero point is 0 and no clamp lifts it.
bool padding_is_zero(const ConvOperands&);
// Why these kernels do not compute it, or ok: other instruction sets, groups, few outputs, run-time scales, many taps,
// so many pixels of the result for one of the input that no tile holds them.
Status oconv_refusal(const Lowering&, const ConvOperands&, const std::vector<ConvSection>&, int64_t outputs,
                     int64_t up_y = 1, int64_t up_x = 1);
// The spec without tile and outputs.
OconvSpec oconv_spec(const Lowering&, const Emitter&, const ConvOperands&, const OconvProblem&, const PlanarValue& out,
                     bool residual);
// The fastest schedule for it, as far as the tuner tries.
Result<OconvSchedule> oconv_schedule(Lowering&, const Emitter&, const ConvOperands&, const OconvProblem&,
                                     const PlanarValue& out, bool residual);
// Generates the kernels, packs the weights and appends the step.
Status emit_oconv(Lowering&, Emitter&, run::StepInfo, const ConvOperands&, const OconvProblem&, const OconvSchedule&,
                  const PlanarValue& out, const PlanarValue* residual);

}  // namespace quadlane::compile
