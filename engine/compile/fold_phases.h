// A transposed convolution with so many output phases that none is worth a convolution of its own, as one convolution
// whose outputs are those of all phases.
//
//   phase (ry, rx), output o  =  output (ry * sw + rx) * stride + o, stride: the outputs filled up to whole quads
//
// Its window covers what any phase reads; a phase's weights are 0 where it reads nothing. Exact: products with 0 are
// added. What remains is to interleave the phases.
#pragma once

#include "engine/compile/conv_operands.h"
#include "engine/compile/emitter.h"
#include "ops/conv_attrs.h"

namespace quadlane::compile {

// How columns are interleaved: `first` phases of the result at a time, then `second`.
struct InterleaveSteps {
  int64_t first = 1, second = 1;
};

// More phases than so many are not a convolution each.
inline constexpr int64_t kMostConvolutions = 64;

// Why phases are not folded, or how they are interleaved.
Result<InterleaveSteps> phase_steps(const ConvOperands&, const ConvAttrs&);
// Appends the steps from x to `out`, the result. taps[ry * sw + rx]: what the phase reads; `phase`: its n, h, w; x has
// room for the taps.
void emit_folded_phases(Lowering&, const Node&, run::StepInfo, const ConvOperands&,
                        const std::vector<std::vector<ConvTap>>& taps, const PlanarValue& x, const Shape& phase,
                        const PlanarValue& out, const std::vector<int64_t>& strides, InterleaveSteps);

}  // namespace quadlane::compile
