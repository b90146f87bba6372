// The parts of append_shape_ops, one file each.
#pragma once

#include "ops/defs.h"

namespace quadlane {

void append_reshape_ops(std::vector<OpDef>&);    // Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout
void append_permute_ops(std::vector<OpDef>&);    // Transpose, DepthToSpace, SpaceToDepth
void append_slice_ops(std::vector<OpDef>&);      // Slice, Split
void append_concat_ops(std::vector<OpDef>&);     // Concat
void append_repeat_ops(std::vector<OpDef>&);     // Expand, Tile
void append_pad_ops(std::vector<OpDef>&);        // Pad
void append_gather_ops(std::vector<OpDef>&);     // Gather, GatherElements, GatherND
void append_rearrange_ops(std::vector<OpDef>&);  // ReverseSequence, CenterCropPad
void append_pick_ops(std::vector<OpDef>&);       // Compress, Unique
void append_scatter_ops(std::vector<OpDef>&);    // ScatterElements, ScatterND
void append_fill_ops(std::vector<OpDef>&);       // Shape, Size, ConstantOfShape, Range, EyeLike, OneHot, Trilu

}  // namespace quadlane
