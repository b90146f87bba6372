// Blocks of output channels: which planes each reads, its packed weights, and the step made of them.
#pragma once

#include "engine/compile/lowering.h"

namespace quadlane::compile {

// Kernel element (i, j) read at pixel offset (dy, dx) from the output's pixel.
struct ConvTap {
  int i, j;
  int64_t dy, dx;
};
// Planes of one phase (row phase py, column phase px; 0, 0 at stride 1) and the taps that read them, with one part of
// the weights.
struct ConvSection {
  int py, px;
  std::vector<ConvTap> taps;
  int part = 0;
};

// A scale and zero point of the input that another step finds out at run time.
struct RunTimeScale {
  DenseRef scale, zero;  // f32 and u8 of one element
};

// The constants of a ql.Conv or ql.ConvTranspose node.
struct ConvOperands {
  const Tensor *w = nullptr, *bias = nullptr, *mult = nullptr, *z = nullptr, *lo = nullptr, *hi = nullptr,
               *shift = nullptr;
  std::optional<RunTimeScale> input_scale;
  bool transposed = false;
  int64_t group = 1, inputs = 0, outputs = 0;  // channels
  Attrs attrs;
  DType dst = DType::f32;

  // Nullopt when one of them is no constant.
  static Result<std::optional<ConvOperands>> read(const Graph&, const Node&, bool transposed);
  bool is_u8() const { return w->dtype() != DType::f32; }
  double z_at(int64_t c) const { return z ? element_as_double(z->view(), c) : 0; }
  double lo_at(int64_t c) const { return element_as_double(lo->view(), c); }
  double hi_at(int64_t c) const { return element_as_double(hi->view(), c); }
  // Weight of output o, input channel c (of all), kernel element (i, j); 0 when they are in different groups.
  double weight(int64_t o, int64_t c, int i, int j) const;
  // Weights of 16 bits are the sum of parts that fit in 8, which make a section each: part 0 is the nearest byte, part
  // 1 the byte nearest to the rest, ... Few weights have a rest, and only planes with one of them are read again.
  double weight_part(int part, int64_t o, int64_t c, int i, int j) const;
  int weight_parts() const;
  int64_t group_of_output(int64_t o) const { return o / (outputs / group); }
  int64_t group_of_input(int64_t c) const { return c / (inputs / group); }
};

// Sum of output o's weights for channel c over all taps, those in the padding too.
double weight_sum(const ConvOperands&, int64_t o, int64_t c, const std::vector<ConvSection>&);
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
