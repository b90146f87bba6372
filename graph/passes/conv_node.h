// Making ql.Conv and ql.ConvTranspose nodes (ops/QL_OPS.md) from Conv and ConvTranspose.
#pragma once
#include "graph/passes/rewrite.h"

namespace quadlane {

// Inputs of ql.Conv by position.
enum QlConvInput : size_t {
  kConvX,
  kConvW,
  kConvBias,
  kConvMult,
  kConvZ,
  kConvLo,
  kConvHi,
  kConvResidual,
  kConvXScale,
  kConvXZero,
  kConvShift,
  kConvSlope
};

// A 4-D Conv or ConvTranspose with explicit, non-negative pads.
std::optional<Window2d> conv_window(const Graph&, const Node&);
// ql.Conv or ql.ConvTranspose with the attributes of `conv` and room for all inputs, none of them set but x.
Node make_ql_conv(const Node& conv, const Window2d&);

// The factors of values below zero, one for each output, where `node` is a PRelu with a slope for each channel, or a
// LeakyRelu, behind a convolution.
std::optional<std::vector<double>> slopes_behind(const Graph&, const Node& conv, const Node& node);

// y = scale * x + shift, then a clamp to [lo, hi]: what stands in front of a convolution. The affine part, the clamp or
// both may be missing.
struct PreActivation {
  ValueId x = kNoValue;
  std::vector<double> scale, shift;  // for each channel
  double lo, hi;
  bool clamps = false, scales = false;
};
// Reads v as such a chain; x == v where there is none.
PreActivation pre_activation(const Graph&, ValueId v);

// The same as (clamp(x, lo[c], hi[c]) - z[c]) * factor[c] + constant[c], where padding must count as clamp(x) = z.
struct Thresholds {
  std::vector<double> z, lo, hi, factor, constant;
};
// Empty where that form does not exist: 0 is outside the clamp, or a threshold is not finite. A channel with scale 0
// has factor 0 and its constant; whoever has padding and a constant other than 0 cannot use it.
std::optional<Thresholds> thresholds(const PreActivation&);

}  // namespace quadlane
