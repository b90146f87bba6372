// A convolution of few channels as one of its columns: what makes first layers fill their quads.
//
//   conv(x [C], w [O, C, kh, kw])  =  conv(x' [C * kw], w' [O, C * kw, kh, 1])      x'[c * kw + j](p) = x[c](p + column
//   j)
//
// A quad of one channel has three idle bytes; with x' they hold the pixel's neighbours. Exact: the same products in
// another order. Column strides end in x', row strides remain.
#pragma once

#include <deque>

#include "engine/compile/conv_operands.h"
#include "ops/conv_attrs.h"

namespace quadlane::compile {

struct FoldedConv {
  ConvOperands op;
  std::vector<PlanarValue> phases;
  std::vector<ConvSection> sections;
  std::shared_ptr<const std::deque<Tensor>> tensors;  // what op points to
};

// One value for each channel of x as one for each of x', whose channels are `times` for one; null stays null.
const Tensor* repeat_channels(const Tensor* values, int64_t times, std::deque<Tensor>& tensors);
// Whether fewer products are worth the copy.
bool worth_folding(const ConvOperands&, const ConvAttrs&, size_t planes);
// Appends the steps that make x' from the phases of x; the result computes the same. x' has as many rows as a phase and
// as many columns as the convolution's result: n, h and w of `extents`. Demands on padding are the caller's, for
// `phases` and for the folded ones.
FoldedConv fold_columns(Lowering&, const std::string& name, const ConvOperands&, const ConvAttrs&,
                        const Geometry& extents, const std::vector<PlanarValue>& phases,
                        const std::vector<ConvSection>&);

}  // namespace quadlane::compile
