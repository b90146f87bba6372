// Blocks of output channels: which planes each reads, its packed weights, and the step made of them.
#pragma once

#include "engine/compile/lowering.h"

namespace quadlane::compile {

// Kernel element (i, j) read at pixel offset (dy, dx) from the output's pixel.
struct ConvTap {
  int i, j;
  int64_t dy, dx;
};
// Planes of one phase (row phase py, column phase px; 0, 0 at stride 1) and the taps that read them.
struct ConvSection {
  int py, px;
  std::vector<ConvTap> taps;
};

// The constants of a ql.Conv or ql.ConvTranspose node.
struct ConvOperands {
  const Tensor *w = nullptr, *bias = nullptr, *mult = nullptr, *z = nullptr, *lo = nullptr, *hi = nullptr;
  bool transposed = false;
  int64_t group = 1, inputs = 0, outputs = 0;  // channels
  Attrs attrs;
  DType dst = DType::f32;

  // Nullopt when one of them is no constant.
  static Result<std::optional<ConvOperands>> read(const Graph&, const Node&, bool transposed);
  bool is_u8() const { return w->dtype() == DType::s8; }
  double z_at(int64_t c) const { return z ? element_as_double(z->view(), c) : 0; }
  double lo_at(int64_t c) const { return element_as_double(lo->view(), c); }
  double hi_at(int64_t c) const { return element_as_double(hi->view(), c); }
  // Weight of output o, input channel c (of all), kernel element (i, j); 0 when they are in different groups.
  double weight(int64_t o, int64_t c, int i, int j) const;
  int64_t group_of_output(int64_t o) const { return o / (outputs / group); }
  int64_t group_of_input(int64_t c) const { return c / (inputs / group); }
};

// The sum over the window that the reference leaves to (clamp(x) - z): bias - sum w * z, once for all pixels.
double folded_bias(const ConvOperands&, int64_t o, const std::vector<ConvSection>&);
ConvEpilogue epilogue_of(const ConvOperands&);
// False when |acc * mult| of every output stays below 2^31 even without the upper clamp, whatever the input.
bool conversion_needs_clamp(const ConvOperands&);

// Chooses a schedule, generates the kernels, packs the weights and appends the step. phases[s] are the planes that
// section s reads; all share one geometry.
Status emit_conv(Lowering&, Emitter&, run::StepInfo, const ConvOperands&, const std::vector<PlanarValue>& phases,
                 const std::vector<ConvSection>&, const PlanarValue& out, const PlanarValue* residual);

}  // namespace quadlane::compile
