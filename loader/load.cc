#include "loader/load.h"

#include "loader/onnx_model.h"

namespace quadlane {

Result<Graph> load_onnx(const std::string& path, const OpTable& ops, const LoadOptions& options) {
  QL_TRY(OnnxModel model, OnnxModel::read(path, options));
  return model.bind(ops, options);
}

Result<Graph> load_onnx_bytes(std::span<const std::byte> bytes, const OpTable& ops, const LoadOptions& options,
                              const std::string& directory) {
  QL_TRY(OnnxModel model, OnnxModel::from_bytes(bytes, options, directory));
  return model.bind(ops, options);
}

}  // namespace quadlane
