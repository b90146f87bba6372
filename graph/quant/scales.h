// Choosing scales and zero points of all sources.
#pragma once
#include "graph/quant/storage.h"

namespace quadlane {

Status choose_scales(const Graph&, const Profile&, const QuantPolicy&, StoragePlan&);

}  // namespace quadlane
