#include "ops/vision.h"

namespace quadlane {

void append_vision_ops(std::vector<OpDef>& defs) {
  append_grid_sample_ops(defs);
  append_affine_grid_ops(defs);
  append_roi_align_ops(defs);
  append_deform_conv_ops(defs);
  append_nms_ops(defs);
  append_col2im_ops(defs);
}

}  // namespace quadlane
