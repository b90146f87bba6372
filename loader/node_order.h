// The order in which a file's nodes can be imported. Internal to loader/: sees protobuf.
#pragma once

#include <onnx/onnx_pb.h>

#include <set>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane {

// "node 'conv1' (Conv)", or its number when it has no name.
std::string node_label(const onnx::GraphProto&, int index);

// Indices of the nodes the graph's outputs need, producers first, of two ready nodes the earlier one in the file.
// `given`: names of inputs and initializers. Refuses names produced twice, names nothing produces, and cycles.
Result<std::vector<int>> node_order(const onnx::GraphProto&, const std::set<std::string>& given);

}  // namespace quadlane
