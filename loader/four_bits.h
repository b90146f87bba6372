// int4 and uint4: two elements to a byte in the file, s8 or u8 in the graph.
#pragma once

#include <cstdint>

namespace quadlane {

inline constexpr int64_t kUint4 = 21, kInt4 = 22;  // in TensorProto.DataType

inline bool is_four_bits(int64_t onnx_type) { return onnx_type == kUint4 || onnx_type == kInt4; }

}  // namespace quadlane
