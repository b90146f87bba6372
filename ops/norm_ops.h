// The parts of append_norm_ops, one file each.
#pragma once

#include "ops/defs.h"

namespace quadlane {

void append_layer_norm_ops(std::vector<OpDef>&);  // LayerNormalization, RMSNormalization
void append_group_norm_ops(std::vector<OpDef>&);  // GroupNormalization
void append_axis_norm_ops(std::vector<OpDef>&);   // LpNormalization, MeanVarianceNormalization
void append_lrn_ops(std::vector<OpDef>&);         // LRN

}  // namespace quadlane
