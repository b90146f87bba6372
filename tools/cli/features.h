// What the few numbers at a network's end, such as the scores of a classifier, are made of. The numbers themselves are
// near those of fp32 by chance as often as not; the noise of many features is much the same from one image to the next.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/quant/quantize.h"

namespace quadlane::tools {

// The name of the last value with enough elements that an output of few is made of, and of nothing else: of those
// stored as bytes (`ranged`), or of floats where there is none. Empty where the output has enough itself.
std::string features_of(const Graph& fp32, ValueId output, std::span<const QuantValue> ranged);

// Makes these values outputs, too. -> where among the outputs each is; nothing for those that the graph does not have
std::vector<std::optional<size_t>> show(Graph&, const std::vector<std::string>& names);

}  // namespace quadlane::tools
