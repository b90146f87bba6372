// The form of quantize.h for any engine.
#pragma once
#include "graph/quant/quantize.h"

namespace quadlane {

Result<Graph> quantize_for_any(const Graph&, const OpTable&, const Profile&, const QuantPolicy&, QuantReport&);

}  // namespace quadlane
