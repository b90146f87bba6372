// The attributes of convolutions and pools, resolved: defaults filled in, auto_pad turned into pads, everything checked
// against the shapes. Passes and the compiler read convolutions through these, never through the raw attributes.
// They serve the standard operators and the ql.* ones alike (the ql.* forms use the same attribute names).
//
// All lists have one entry per spatial axis, outermost first (h, w for images); `pads` has the ONNX order: the begin of
// every axis, then the end of every axis (top, left, bottom, right for images).
#pragma once

#include "graph/graph.h"

namespace quadlane {

struct WindowAttrs {
  std::vector<int64_t> kernel, strides, dilations, pads;
  Shape out;  // spatial extents of the output

  size_t axes() const { return kernel.size(); }
  int64_t pad_begin(size_t axis) const { return pads[axis]; }
  int64_t pad_end(size_t axis) const { return pads[axes() + axis]; }
  // Extent of the dilated kernel: dilation * (kernel - 1) + 1.
  int64_t reach(size_t axis) const { return dilations[axis] * (kernel[axis] - 1) + 1; }
};

struct ConvAttrs : WindowAttrs {
  int64_t group = 1;
  // ConvTranspose only: what the formula adds to the output extent.
  std::vector<int64_t> output_padding;
};

struct PoolAttrs : WindowAttrs {
  bool ceil_mode = false;
  bool count_include_pad = false;
};

// floor((in + pad_begin + pad_end - reach) / stride) + 1, or with ceil_mode the ceiling, less a last window that would
// start behind the input and its begin padding. Refuses a kernel that exceeds the padded input.
Result<int64_t> output_extent(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad_begin,
                              int64_t pad_end, bool ceil_mode = false);

// x [N,C,...], w [O,C/group,...].
Result<ConvAttrs> conv_attrs(const Node&, const Shape& x, const Shape& w);
// x [N,C,...], w [C,O/group,...]: out = (in - 1) * stride + reach + output_padding - pad_begin - pad_end. output_shape
// and auto_pad are turned into pads; an output larger than the sum of all taps gets more output_padding.
Result<ConvAttrs> conv_transpose_attrs(const Node&, const Shape& x, const Shape& w);
// MaxPool, AveragePool and ql.AveragePool. Pads must be below the kernel's reach.
Result<PoolAttrs> pool_attrs(const Node&, const Shape& x);

// The shape of w's operator result: [N, channels, out...].
Shape window_output_shape(const WindowAttrs&, int64_t n, int64_t channels);

}  // namespace quadlane
