// A convolution as every kernel family is given it: its constants, its taps, and for a block of output channels the
// planes that it reads and the numbers it ends with.
#pragma once

#include "engine/compile/lowering.h"
#include "jit/kernels/activation.h"
#include "jit/kernels/rounding.h"

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

// The constants of a ql.Conv or ql.ConvTranspose node. They belong to the graph.
struct ConvOperands {
  const Tensor *w = nullptr, *bias = nullptr, *mult = nullptr, *z = nullptr, *lo = nullptr, *hi = nullptr,
               *shift = nullptr, *slope = nullptr;
  std::span<const uint8_t> table;  // of a ql.Lut behind it that the convolution's kernels apply; or empty
  std::optional<RunTimeScale> input_scale;
  bool transposed = false;
  int64_t group = 1, inputs = 0, outputs = 0;  // channels
  Attrs attrs;
  DType dst = DType::f32;

  // Nullopt when one of them is no constant.
  static Result<std::optional<ConvOperands>> read(const Graph&, const Node&, bool transposed);
  // The table of the ql.Lut that alone reads `result`, where the kernels can apply one; gives what the convolution's
  // result is then: the ql.Lut's, or `result` as it is.
  ValueId take_table(const Lowering&, ValueId result);
  bool is_u8() const { return w->dtype() != DType::f32; }
  double z_at(int64_t c) const { return z ? element_as_double(z->view(), c) : 0; }
  double lo_at(int64_t c) const { return element_as_double(lo->view(), c); }
  double hi_at(int64_t c) const { return element_as_double(hi->view(), c); }
  double slope_at(int64_t o) const { return slope ? element_as_double(slope->view(), o) : 1; }
  // Weight of output o, input channel c (of all), kernel element (i, j); 0 when they are in different groups.
  double weight(int64_t o, int64_t c, int i, int j) const;
  // Weights of 16 bits are the sum of parts that fit in 8, which make a section each: part 0 is the nearest byte, part
  // 1 the byte nearest to the rest, ... Few weights have a rest, and only planes with one of them are read again.
  double weight_part(int part, int64_t o, int64_t c, int i, int j) const;
  int weight_parts() const;
  int64_t group_of_output(int64_t o) const { return o / (outputs / group); }
  int64_t group_of_input(int64_t c) const { return c / (inputs / group); }
};

// Adds the sections of the weights' further parts: the same planes and taps once more for each.
void add_weight_parts(const ConvOperands&, std::vector<ConvSection>&, std::vector<PlanarValue>& phases);

// Sum of output o's weights for channel c over all taps, those in the padding too.
double weight_sum(const ConvOperands&, int64_t o, int64_t c, const std::vector<ConvSection>&);
// The sum over the window that the reference leaves to (clamp(x) - z): bias - sum w * z, once for all pixels.
double folded_bias(const ConvOperands&, int64_t o, const std::vector<ConvSection>&);
ConvEpilogue epilogue_of(const ConvOperands&);
// Of a u8 result, whatever the input.
RoundingFacts rounding_of(const ConvOperands&);

// The function behind an f32 result.
Activation activation_of(const Attrs&);

// Planes of each section that a block of outputs reads: those with a channel of one of its groups.
struct BlockPlanes {
  std::vector<std::vector<uint32_t>> of_section;  // indices into the phase's planes

  std::vector<int64_t> counts() const {
    std::vector<int64_t> n;
    for (const auto& section : of_section) n.push_back(static_cast<int64_t>(section.size()));
    return n;
  }
};
BlockPlanes planes_for(const ConvOperands&, const std::vector<PlanarValue>& phases, const std::vector<ConvSection>&,
                       int64_t first, int64_t end);
// The weight of a block whose first output is `first` as a kernel's packer asks for it.
double block_weight(const ConvOperands&, const std::vector<PlanarValue>& phases, const std::vector<ConvSection>&,
                    const BlockPlanes&, int64_t first, int o, int section, int64_t plane, int tap, int channel);

// Constants of the outputs [first, end) in the plan's weights, zeros behind them up to `padded` outputs. 0 where a
// convolution has none. Slopes and the table lie behind the multipliers (engine/base/abi/conv.h).
struct BlockConstants {
  size_t bias, mult, shift, weight_sums, clamp_lo, clamp_hi;
};
BlockConstants block_constants(Emitter&, const ConvOperands&, const std::vector<PlanarValue>& phases,
                               const std::vector<ConvSection>&, const BlockPlanes&, int64_t first, int64_t end,
                               int64_t padded);

}  // namespace quadlane::compile
