// Elements of a tensor in the graph's text form (graph/text.h).
#pragma once

#include "graph/text_cursor.h"

namespace quadlane {

// "{1, 2.5}", "zeros", "0x..." (when a NaN occurs) or, above max_elements, "hash(...)".
std::string elements_text(const Tensor&, int64_t max_elements);
// Reads what elements_text writes, hashes excepted, and iota, fill(value) and random(seed). The tensor's bytes are taken
// from `bytes_left`.
Result<Tensor> parse_elements(TextCursor&, const TensorType&, size_t& bytes_left);

// The shortest text that reads back as the same value; always distinguishable from an integer.
std::string float_text(float);
Result<float> parse_float(std::string_view);

}  // namespace quadlane
