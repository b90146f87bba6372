// GraphProto -> Graph: names, types, initializers, then the nodes in the order their inputs allow. Internal to loader/:
// sees protobuf.
#pragma once

#include <onnx/onnx_pb.h>

#include "loader/load.h"

namespace quadlane {

// What the graph's inputs are, those with an initializer left out: up to IR version 3 initializers are listed as inputs
// too; they are defaults, which we do not let anyone change.
Result<std::vector<InputSpec>> declared_inputs(const onnx::GraphProto&, bool widen_half);

// `inputs`: what declared_inputs gave.
Result<Graph> import_model(const onnx::ModelProto&, std::span<const InputSpec> inputs, const OpTable&,
                           const LoadOptions&, const std::string& directory);

}  // namespace quadlane
