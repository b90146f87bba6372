// The parts of append_vision_ops, one file each.
#pragma once

#include <array>

#include "ops/defs.h"

namespace quadlane {

void append_grid_sample_ops(std::vector<OpDef>&);  // GridSample
void append_affine_grid_ops(std::vector<OpDef>&);  // AffineGrid
void append_roi_align_ops(std::vector<OpDef>&);    // RoiAlign
void append_deform_conv_ops(std::vector<OpDef>&);  // DeformConv
void append_nms_ops(std::vector<OpDef>&);          // NonMaxSuppression
void append_col2im_ops(std::vector<OpDef>&);       // Col2Im

}  // namespace quadlane
