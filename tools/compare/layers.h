// Where two models diverge, layer by layer: fp32 against int8, or two quantizations.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/api/engine.h"
#include "tools/cli/samples.h"
#include "tools/measure/deviation.h"

namespace quadlane::tools {

// What maps each channel of the second model's value to the first one's where the file does not say: nothing is needed;
// the factor that fits best, where channels were equalized; the line that fits best, where they are bytes. A factor
// hides an error of the scale alone, a line one of the origin too.
enum class MapBy : uint8_t { none, factor, line };

// Quantized values of equal scale on both sides.
struct Levels {
  int64_t values = 0, equal = 0, within_one = 0;

  void add(const Tensor& a, const Tensor& b);
  void add(const Levels&);
  double share(int64_t part) const { return static_cast<double>(part) / static_cast<double>(values); }
};

struct LayerDifference {
  std::string name;   // of the value in the first model
  std::string other;  // in the second
  std::string op;
  measure::Deviation deviation;  // of the second from the first
  MapBy fit = MapBy::none;
  bool judged = true;  // false: a channel has too few elements to tell an error from what maps it
  Levels levels;       // none where one side has no bytes, or the scales differ
};

// Values are paired by name; what a quantizer calls its bytes, and what they stand for, belongs to the value
// (X_quantized, X_QuantizeLinear_Output, X_dequantized, X_DequantizeLinear_Output). In the first model's order. Neither
// has anything in common with the other: an error.
Result<std::vector<LayerDifference>> compare_layers(const Graph& first, const Graph& second,
                                                    std::span<const std::vector<Tensor>> inputs);

// The graph whose values are compared: simplified when it is fp32, as the file has it when it is quantized.
Result<Graph> load_for_layers(const std::string& path, const ModelOptions&);

inline constexpr const char* kLevelHeadings[] = {"equal", "within 1"};  // shares of the quantized values
std::vector<std::string> layer_cells(const LayerDifference&);
// With the headings of `name` and `other`.
std::string layers_table(std::span<const LayerDifference>, const char* name, const char* other);
nlohmann::ordered_json layer_differences_json(std::span<const LayerDifference>);
Levels levels_of(std::span<const LayerDifference>);
nlohmann::ordered_json levels_json(const Levels&);

}  // namespace quadlane::tools
