#include "loader/tensor_file.h"

#include "engine/base/file.h"
#include "loader/guard.h"
#include "loader/tensor_proto.h"

namespace quadlane {

Result<Tensor> read_tensor_pb(const std::string& path) {
  return guarded([&]() -> Result<Tensor> {
    constexpr size_t kMaxBytes = size_t{2} << 30;
    QL_TRY(auto bytes, read_whole_file(path, kMaxBytes));
    onnx::TensorProto proto;
    if (!parse_proto(bytes, &proto)) return invalid_model("'", path, "' is not an ONNX tensor, or is truncated");
    if (!proto.has_data_type()) return invalid_model("'", path, "' is not an ONNX tensor: it has no element type");
    TensorReadOptions options;
    options.widen_half = proto.data_type() == onnx::TensorProto::BFLOAT16;
    return tensor_from_proto(proto, options).context(cat("'", path, "'"));
  });
}

}  // namespace quadlane
