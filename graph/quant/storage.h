// Which values of a graph are stored as bytes, where their channels come from, and who reads them.
#pragma once

#include <cmath>
#include <map>

#include "graph/passes/conv_node.h"
#include "graph/quant/quantize.h"

namespace quadlane {

// A convolution that will run on bytes.
struct QuantConv {
  NodeId node = kNoNode;
  bool f32 = false;  // it reads bytes, but computes in fp32 with weights that are not rounded
  ValueId x = kNoValue;  // the stored value it reads
  bool transposed = false;
  bool clamps = false;      // a Relu or Clip stands in front
  bool exact_zero = false;  // reads x itself, with padding: needs a byte that means 0
  Window2d window;
  Thresholds pre;  // (clamp(x) - z) * factor + constant for each channel of x
};

// A channel of a source.
struct ChannelRef {
  size_t source = 0, channel = 0;
  bool averaged = false;  // an interpolation or mean lies between
};

// A value that is quantized where it is computed. Byte q of channel c means low[c] + q * scale[c].
struct Source {
  ValueId value = kNoValue;
  bool per_channel = false;  // a scale for each channel
  bool in_levels = false;    // per_channel, and the convolution that computes it has the scales in its weights
  bool shifted = false;      // in_levels, and its bias carries -low: the range may begin anywhere
  bool free = false;         // shifted, and no byte needs to mean exactly 0
  ValueId function_of = kNoValue;  // a function of this one stored value: on bytes a table
  double most = HUGE_VAL;          // in_levels: the bound of a Clip from 0, which the largest byte keeps in its place
  std::vector<double> scale, low;
  std::vector<int32_t> zero;  // of each channel the byte that means 0; unless free
};

// How a stored value's bytes come about.
enum class Storing : uint8_t {
  quantize,  // QuantizeLinear of the f32 value: a source
  move,      // Concat, MaxPool on the bytes of its inputs
  resample,  // Resize, AveragePool, through floats of scale 1
};
struct Stored {
  Storing how = Storing::quantize;
  std::vector<ChannelRef> channels;
  bool needs_f32 = false;  // somebody reads the value, not its bytes
  bool only_tables = false;  // and they are functions of it that become tables
};

// A reader of a source's channel.
struct Reader {
  size_t conv = 0, channel = 0;
  bool averaged = false;
};

struct StoragePlan {
  std::vector<QuantConv> convs;
  std::vector<Source> sources;
  std::map<ValueId, Stored> stored;
  std::vector<std::vector<std::vector<Reader>>> readers;  // [source][channel]

  const QuantConv* conv(NodeId id) const {
    for (const QuantConv& c : convs)
      if (c.node == id) return &c;
    return nullptr;
  }
};

StoragePlan plan_storage(const Graph&, const QuantPolicy&, QuantReport&);

}  // namespace quadlane
