// ONNX -> Graph. Everything in a file is checked before it is believed; whatever is wrong becomes one sentence. Nodes
// arrive in the canonical form of opset 21 whatever opset the file declares (1 to 26, see versions.h), shapes are
// static, and what depends on constants only is folded (except DequantizeLinear, so that quantized weights survive).
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "engine/base/deadline.h"
#include "graph/op_table.h"
#include "loader/input_spec.h"

namespace quadlane {

struct LoadOptions {
  // Shapes of inputs by name; they replace what the file declares, and bind the symbols of that input for all inputs. A
  // dimension that is neither fixed nor bound is 1 when it looks like the batch (the outermost, or named so); all
  // others are named in one error.
  std::map<std::string, Shape> shapes;
  std::map<std::string, int64_t> symbols;  // extents of symbolic dimensions by the symbol's name
  int64_t batch = 0;                       // replaces the outermost extent of every input; 0: as declared
  // f16 and bf16 become f32 everywhere: constants, inputs, outputs, casts. Without it bf16 is refused.
  bool widen_half = true;

  // What a file may cost.
  size_t max_file_bytes = size_t{2} << 30;      // protobuf's own limit is 2 GiB - 1
  size_t max_constant_bytes = size_t{8} << 30;  // all initializers together, external ones included
  // Of values computed while loading; a node that would exceed them stays a node.
  int64_t max_folded_elements = int64_t{8} << 20;  // one value
  size_t max_folded_bytes = size_t{96} << 20;      // all values together
  double max_folded_work = 1e9;                    // steps of the references, see graph/folding.h
  size_t max_nodes = 1000000;
  size_t max_string_bytes = 64 << 10;  // of a name, or of an attribute's text
  int max_message_depth = 100;         // of protobuf's messages in each other: 8 for a model, 3 more for each subgraph
  int max_subgraph_depth = 40;         // of subgraphs and calls of functions in each other
  ShapeLimits max_shape;               // of inputs, constants, and what nodes make of them
  Deadline deadline;                   // looked at in front of each node; a run of the tail has none
};

// External data is read from the model's directory only.
Result<Graph> load_onnx(const std::string& path, const OpTable&, const LoadOptions& = {});
// `directory` is where external data may lie; empty: models with external data are refused.
Result<Graph> load_onnx_bytes(std::span<const std::byte>, const OpTable&, const LoadOptions& = {},
                              const std::string& directory = {});

}  // namespace quadlane
