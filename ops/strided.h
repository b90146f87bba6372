// The one copy behind Transpose, Slice, Expand, Tile, Split, DepthToSpace, ...: any strided view of a dense tensor
// becomes dense.
#pragma once

#include "engine/base/tensor.h"

namespace quadlane {

// Steps in elements, outermost first; 0 repeats, negative walks backwards. Trusted to stay inside the source.
struct StridedView {
  int64_t offset = 0;
  std::vector<int64_t> extents;
  std::vector<int64_t> strides;
};

std::vector<int64_t> dense_strides(const Shape&);
// The view of a dense `in` that broadcasts it to `to`, to which it must broadcast.
StridedView broadcast_view(const Shape& in, const Shape& to);
// dst[...] dense = src[offset + sum(index * stride)].
void copy_strided(const void* src, const StridedView&, void* dst, DType);

}  // namespace quadlane
