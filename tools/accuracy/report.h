// What quantization did to a model, for people (one HTML file without anything from elsewhere) and for programs.
#pragma once

#include <nlohmann/json.hpp>

#include "tools/accuracy/control.h"
#include "tools/accuracy/layer_figures.h"

namespace quadlane::tools {

struct QuantizationReport {
  // An input, the share of its pixels whose class int8 changes, and a picture of where.
  struct Case {
    std::string name;
    double changed = 0;
    std::string png;
  };

  std::string model, output, form, method, rounding, metric;
  int64_t samples = 0;
  QuantReport quantized;
  std::vector<LayerFigures> layers;
  std::optional<DropBound> bound;
  std::optional<ControlResult> control;
  // On inputs that are held out where there is a bound, else on some of the calibration's.
  size_t inputs = 0;
  double output_sqnr_db = 0, drop = 0, changed = 0;
  std::vector<Case> worst;
};

// Runs both networks on the inputs: figures of every layer, of the output, and the worst cases.
Status measure(const Graph& fp32, const Graph& int8, const Profile&, std::span<const Sample>, const CalibrationSource&,
               Metric, QuantizationReport& report);

std::string to_html(const QuantizationReport&);
nlohmann::ordered_json layers_json(const QuantizationReport&);
nlohmann::ordered_json control_json(const DropBound&, const std::string& metric, const ControlResult&);

}  // namespace quadlane::tools
