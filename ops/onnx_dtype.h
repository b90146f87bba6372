// Element types in attributes (Cast's `to`, EyeLike's `dtype`): ONNX's TensorProto number, or our name ("f32").
#pragma once

#include "graph/graph.h"

namespace quadlane {

Result<DType> dtype_attr(const Attrs&, const std::string& name);  // an error when absent

}  // namespace quadlane
