// Quantization: a simplified fp32 graph and its calibration profile become a graph with QuantizeLinear and
// DequantizeLinear in standard ONNX operators. fuse_int8_passes() turn that into integer operators.
//
// For Quadlane (the default), every producer of an activation has its own u8 scale, for each channel where its readers
// are convolutions, and concat, max-pool and resize work on the bytes as they are. Convolutions read the bytes through
// DequantizeLinear(scale 1, zero point for each channel) [-> Relu, or Max and Min], and their s8 weights carry the
// channel's activation scale and the batch norm in front. Where all readers of a channel subtract something of their
// own anyway (a threshold, or no padding), the producer's bias is shifted so that the range needs no zero and the
// threshold of the most sensitive reader is a whole level. For any engine, activations have one scale for each tensor,
// equal scales around concat, max-pool and resize, and a QuantizeLinear and DequantizeLinear on every edge.
#pragma once

#include <memory>
#include <set>

#include "graph/op_table.h"
#include "graph/quant/headroom.h"
#include "graph/quant/input_moments.h"
#include "graph/quant/profile.h"

namespace quadlane {

enum class QuantForm : uint8_t { for_quadlane, for_any };

struct QuantPolicy {
  QuantForm form = QuantForm::for_quadlane;
  std::set<std::string> keep_f32;     // names of convolutions and products that stay in fp32
  std::set<std::string> for_a_bound;  // those of them that nobody named
  RangeMethod method = RangeMethod::minmax;
  std::map<std::string, RangeMethod> value_methods;  // for single values, by name, instead of `method`
  Headroom headroom;                                 // beyond what was seen
  std::shared_ptr<RangeMemory> memory;               // of ranges for the profile that will be quantized with; or null
  bool bias_correction = true;                       // for the mean of what rounding weights and thresholds changes
  std::map<std::string, std::vector<double>> bias_shift;  // by convolution: what its bias gets besides. for_quadlane.
  // Rounds weights for the least error of the layer's output on the calibration inputs, where it has moments of them
  // (adaptive_rounding.h); null: to the nearest, with right kernel sums.
  std::shared_ptr<const InputMoments> moments;
  ParallelFor parallel = one_by_one;  // where searches for ranges and weights run
  bool threshold_on_grid = true;      // for_quadlane
  bool channel_scales = true;         // for_quadlane: a scale for each channel where that is free

  const char* why_kept(const std::string& conv) const {
    return for_a_bound.count(conv) ? "kept in fp32 to meet the bound" : "kept in fp32 as asked";
  }
  RangeMethod method_of(const std::string& value) const {
    auto it = value_methods.find(value);
    return it == value_methods.end() ? method : it->second;
  }
  // The ranges of a value by its method, without headroom.
  Result<std::vector<Range>> ranges(const std::string& value, const ValueProfile& seen, bool shared) const;
};

// A value with a range of its own: byte q of channel c means low[c] + q * scale[c].
struct QuantValue {
  std::string name;
  std::vector<double> scale, low;  // one element: all channels alike
  bool given = false;              // an input of the network: its ranges are as seen, without headroom
  Range bounds;                    // what it can be at all
  bool clamped = false;            // what lies beyond the range is meant to: readers have thresholds, or a Clip follows

  double scale_of(size_t channel) const { return scale.size() == 1 ? scale[0] : scale[channel]; }
  double low_of(size_t channel) const { return low.size() == 1 ? low[0] : low[channel]; }
};

struct QuantReport {
  int layers = 0;                  // convolutions and products with constant weights in the graph
  std::vector<std::string> int8;   // those of them that became int8
  std::vector<QuantValue> values;  // those that are stored as bytes where they are computed
  std::vector<std::string> notes;  // why one stayed in fp32
};

// Whether a node quantizes or dequantizes.
bool has_quantizers(const Graph&);

// Fails when the profile lacks a value it needs, naming it.
Result<Graph> quantize(const Graph& simplified, const OpTable&, const Profile&, const QuantPolicy& = {},
                       QuantReport* report = nullptr);

}  // namespace quadlane
