// The convolutions of a network by themselves: what they compute, and a network of one layer for Quadlane to compile.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace quadlane::peers {

struct ConvLayer {
  bool transposed = false;
  int64_t n = 1, inputs = 1, outputs = 1, group = 1;
  int64_t in[2] = {}, out[2] = {};  // rows, columns
  int64_t kernel[2] = {}, stride[2] = {}, dilation[2] = {}, pad_begin[2] = {}, pad_end[2] = {};
  DType type = DType::u8;  // u8 x s8 -> u8, or f32

  auto operator<=>(const ConvLayer&) const = default;
  double gmac() const;       // zeros that a transposed convolution inserts not counted
  std::string text() const;  // "96x56x56 -> 24, 3x3 s2 g1"
  // Of int8: what an accumulator is multiplied by to become a level of the output.
  float output_scale() const;
};

struct CountedLayer {
  ConvLayer layer;
  int count = 1;     // how often it occurs
  std::string name;  // of the first node that is one
};

// Different two-dimensional convolutions of a graph of standard operators with static weights, in order.
std::vector<CountedLayer> conv_layers(const Graph&, DType);

// Random data for it: what it reads, and weights as ONNX has them.
Tensor layer_input(const ConvLayer&);
Tensor layer_weights(const ConvLayer&);

// x -> convolution -> ReLU -> y with these weights; int8 layers in QDQ form, from bytes to bytes.
Result<Graph> layer_graph(const ConvLayer&);

}  // namespace quadlane::peers
