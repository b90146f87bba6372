// The passes that turn a quantized graph into integer operators.
#include "graph/passes/list.h"

namespace quadlane {

std::span<const Pass> fuse_int8_passes() {
  static const Pass passes[] = {kFoldDequantized, kLowerConv};
  return passes;
}

}  // namespace quadlane
