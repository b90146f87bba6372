// The parts of append_pool_ops, one file each.
#pragma once

#include "ops/defs.h"

namespace quadlane {

void append_unpool_ops(std::vector<OpDef>&);   // MaxUnpool
void append_lp_pool_ops(std::vector<OpDef>&);  // LpPool, GlobalLpPool
// Every pixel of the image as one window: [N, C, ...] -> [N, C, 1, ...]. Refuses an image without pixels.
Result<std::vector<TensorType>> infer_global_pool(const OpContext&);

}  // namespace quadlane
