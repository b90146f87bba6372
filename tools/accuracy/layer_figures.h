// What quantization does to every value that is stored as bytes.
#pragma once

#include "graph/quant/quantize.h"
#include "tools/cli/samples.h"

namespace quadlane::tools {

struct LayerFigures {
  std::string name;
  std::string op;              // of the node that computes it; "input"
  double low = 0, high = 0;    // that the levels reach, of all channels together
  double least = 0, most = 0;  // seen in calibration
  size_t channels = 0, scales = 0;
  double sqnr_db = 0;                     // of the bytes against fp32, everything before it in int8 too
  double saturated = 0;                   // share of the fp32 elements beyond their channel's range
  std::vector<Histogram::Bin> histogram;  // of all channels; empty where the statistics have none
};

// On these inputs, by the engine. `report`: of the quantize() that made `int8`.
Result<std::vector<LayerFigures>> layer_figures(const Graph& fp32, const Graph& int8, const QuantReport& report,
                                                const Profile&, std::span<const std::vector<Tensor>> inputs);

}  // namespace quadlane::tools
