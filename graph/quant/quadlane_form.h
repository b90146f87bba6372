// The form of quantize.h for Quadlane.
#pragma once
#include "graph/quant/storage.h"

namespace quadlane {

Result<Graph> quantize_for_quadlane(const Graph&, const OpTable&, const Profile&, const QuantPolicy&, QuantReport&);

}  // namespace quadlane
