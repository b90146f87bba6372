// Where Quadlane's values and ONNX Runtime's lie apart, layer by layer.
#pragma once

#include "tools/compare/contender.h"
#include "tools/compare/layers.h"

namespace quadlane::tools {

// Both run the file that the other engine is given, with what leaves each of our steps as further outputs: what lies
// inside a step stays fused. Named by the step, `other` is the value; in the file's order.
Result<std::vector<LayerDifference>> ort_values(const peers::Ort&, const WorkloadArgs&, const Workload&,
                                                const std::string& file);

}  // namespace quadlane::tools
