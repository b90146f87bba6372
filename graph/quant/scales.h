// Choosing scales and zero points of all sources.
#pragma once

#include "graph/op_table.h"
#include "graph/quant/storage.h"

namespace quadlane {

Status choose_scales(const Graph&, const OpTable&, const Profile&, const QuantPolicy&, StoragePlan&);

}  // namespace quadlane
