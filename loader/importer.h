// GraphProto -> Graph: names, types, initializers, then the nodes in the order their inputs allow. Internal to loader/:
// sees protobuf.
#pragma once

#include <onnx/onnx_pb.h>

#include "loader/load.h"

namespace quadlane {

Result<Graph> import_model(const onnx::ModelProto&, const OpTable&, const LoadOptions&, const std::string& directory);

}  // namespace quadlane
