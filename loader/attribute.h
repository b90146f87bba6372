// AttributeProto -> Attr, kinds checked. Internal to loader/: sees protobuf.
#pragma once

#include "graph/graph.h"
#include "loader/tensor_proto.h"

namespace quadlane {

// Subgraphs, lists of strings or tensors, sparse tensors and references to function attributes are refused.
Result<Attr> attr_from_proto(const onnx::AttributeProto&, const TensorReadOptions&);
void attr_to_proto(const std::string& name, const Attr&, onnx::AttributeProto*);

}  // namespace quadlane
