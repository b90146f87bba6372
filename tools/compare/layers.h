// Where two models diverge, layer by layer: fp32 against int8, or two quantizations.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/api/engine.h"
#include "tools/cli/samples.h"
#include "tools/measure/deviation.h"

namespace quadlane::tools {

struct LayerDifference {
  std::string name;   // of the value in the first model
  std::string other;  // in the second
  std::string op;
  measure::Deviation deviation;  // of the second from the first
  bool fitted = false;           // one of them holds levels: each channel's scale and origin are those that fit best
};

// Values are paired by name; what a quantizer calls its bytes belongs to the value (X_quantized,
// X_QuantizeLinear_Output, X_dequantized, X_DequantizeLinear_Output). In the first model's order. Neither has anything
// in common with the other: an error.
Result<std::vector<LayerDifference>> compare_layers(const Graph& first, const Graph& second,
                                                    std::span<const std::vector<Tensor>> inputs);

// The graph whose values are compared: simplified when it is fp32, as the file has it when it is quantized.
Result<Graph> load_for_layers(const std::string& path, const ModelOptions&);

std::vector<std::string> layer_cells(const LayerDifference&);
// With the headings of `name` and `other`.
std::string layers_table(std::span<const LayerDifference>, const char* name, const char* other);
nlohmann::ordered_json layer_differences_json(std::span<const LayerDifference>);

}  // namespace quadlane::tools
