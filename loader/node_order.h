// Which names a file's nodes read, and the order in which nodes can be imported. Internal to loader/: sees protobuf.
#pragma once

#include <onnx/onnx_pb.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane {

using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

// "node 'conv1' (Conv)", or its number when it has no name.
std::string node_label(const NodeList&, int index);

// The names a node reads: its inputs, and what its subgraphs capture. Absent inputs are left out.
std::set<std::string> names_read(const onnx::NodeProto&);

// Whether a name has a value before the first node runs: inputs, initializers, names of enclosing graphs.
using IsGiven = std::function<bool(const std::string&)>;

// Indices of the nodes the `wanted` names need, producers first, of two ready nodes the earlier one in the file.
// `own`: inputs and initializers of the same graph, which no node may produce again (names of enclosing graphs are
// hidden). Refuses names produced twice, names nothing produces, and cycles.
Result<std::vector<int>> node_order(const NodeList&, const std::vector<std::string>& wanted,
                                    const std::set<std::string>& own, const IsGiven& given);

}  // namespace quadlane
