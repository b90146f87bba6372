// Graph -> ONNX file of standard operators. The bytes depend on the graph and the options only, so two runs write the
// same file; nothing half-written is ever left at `path`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "loader/input_spec.h"

namespace quadlane {

// Dimensions of inputs and outputs by name, where they are not the graph's: open ones are written as symbols.
using OpenDims = std::map<std::string, std::vector<Dim>>;

struct SaveOptions {
  // 13 to 24; raised when a node needs a newer one (say dilated AveragePool: 19).
  int opset = 17;
  std::string producer_version;
  std::map<std::string, std::string> metadata;  // metadata_props of the model
  OpenDims dims;
};

// A node of the ql namespace, or one that no opset up to 24 can express, is an error that names it.
Status save_onnx(const Graph&, const std::string& path, const SaveOptions& = {});
Result<std::vector<std::byte>> save_onnx_bytes(const Graph&, const SaveOptions& = {});

}  // namespace quadlane
