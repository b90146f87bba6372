// TensorProto <-> Tensor: every encoding ONNX has, sizes checked. Internal to loader/: sees protobuf.
#pragma once

#include <onnx/onnx_pb.h>

#include "engine/base/tensor.h"

namespace quadlane {

struct TensorReadOptions {
  std::string directory;   // where external data lies; empty: refused
  bool widen_half = true;  // f16 and bf16 become f32
  size_t max_bytes = ~size_t{0};
  ShapeLimits max_shape{};
};

// The element type numbered `onnx_type` (TensorProto.DataType); with widen_half f16 and bf16 are f32.
Result<DType> dtype_from_onnx(int onnx_type, bool widen_half);
int onnx_from_dtype(DType);

// "initializer 'w'" and the like is the caller's context.
Result<Tensor> tensor_from_proto(const onnx::TensorProto&, const TensorReadOptions&);
// Little-endian raw_data.
void tensor_to_proto(const Tensor&, const std::string& name, onnx::TensorProto*);

}  // namespace quadlane
