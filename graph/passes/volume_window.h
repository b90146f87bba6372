// The window of a convolution or pool over a volume: its depth, and the attributes of what is left in an image.
#pragma once

#include "graph/passes/rewrite.h"

namespace quadlane {

struct DepthTap {
  int64_t tap, depth;  // of the kernel and of the input
};

struct VolumeWindow {
  std::vector<int64_t> kernel, strides, dilations, pads, output_padding;  // (d, h, w); pads: begins, then ends
  int64_t group = 1;

  // Empty for implicit or negative pads and for more outputs in depth than the pass makes nodes for. A sequence has
  // d = h = 1.
  static std::optional<VolumeWindow> of(const Graph&, const Node&);
  // The taps of output slice `od` that lie inside an input of `depth` slices.
  std::vector<DepthTap> taps(int64_t od, int64_t depth) const;
  std::vector<DepthTap> transposed_taps(int64_t od, int64_t depth) const;
  // The node's attributes for the window in the image.
  Attrs image_attrs(const Node&) const;
};

}  // namespace quadlane
