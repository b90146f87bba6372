#include "ops/shape_ops.h"

namespace quadlane {

void append_shape_ops(std::vector<OpDef>& defs) {
  append_reshape_ops(defs);
  append_permute_ops(defs);
  append_slice_ops(defs);
  append_concat_ops(defs);
  append_repeat_ops(defs);
  append_pad_ops(defs);
  append_gather_ops(defs);
  append_rearrange_ops(defs);
  append_pick_ops(defs);
  append_scatter_ops(defs);
  append_fill_ops(defs);
}

}  // namespace quadlane
