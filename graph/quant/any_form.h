// The form of quantize.h for any engine.
#pragma once
#include "graph/quant/quantize.h"

namespace quadlane {

// Whether a Gemm or MatMul is a fully connected layer: constant weights, a bias for each column.
bool is_quantizable_product(const Graph&, const Node&);
Result<Graph> quantize_for_any(const Graph&, const OpTable&, const Profile&, const QuantPolicy&, QuantReport&);

}  // namespace quadlane
