// Making ql.Requantize nodes (ops/QL_OPS.md).
#pragma once
#include "graph/passes/affine.h"
#include "graph/passes/quant_match.h"

namespace quadlane {

// Quantize(scale[c] * Dequantize(x) + shift[c]) in the output's scale; affine may be null (1, 0). Where that is
// the identity on bytes, x itself.
Result<ValueId> requantized(Graph&, const OpTable&, const Dequantized& x, const QuantizedOutput& out,
                            const std::string& name, const Affine* affine = nullptr);
// The node alone.
Node make_requantize(Graph&, const Dequantized& x, const QuantizedOutput& out, const std::string& name,
                     const Affine* affine);

}  // namespace quadlane
