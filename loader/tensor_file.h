// Tensors in files of their own, as ONNX ships test vectors: one serialized TensorProto each.
#pragma once

#include <string>

#include "engine/base/tensor.h"

namespace quadlane {

// bfloat16 is read as f32; every other type we have as it is.
Result<Tensor> read_tensor_pb(const std::string& path);

}  // namespace quadlane
