#include "loader/load.h"

#include <filesystem>

#include "loader/file.h"
#include "loader/guard.h"
#include "loader/importer.h"

namespace quadlane {
namespace {

// Names from the file may hold anything; a message stays one line.
Error one_line(Error error) {
  auto clean = [](std::string& text) {
    for (char& c : text)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  };
  clean(error.message);
  for (std::string& where : error.trail) clean(where);
  return error;
}

Result<Graph> load_bytes(std::span<const std::byte> bytes, const OpTable& ops, const LoadOptions& options,
                         const std::string& directory) {
  if (bytes.size() > options.max_file_bytes)
    return unsupported("the model has ", bytes.size(), " bytes, the limit is ", options.max_file_bytes);
  onnx::ModelProto model;
  if (bytes.empty() || !parse_proto(bytes, &model))
    return invalid_model("not an ONNX model, or truncated (", bytes.size(), " bytes)");
  if (!model.has_graph() || !model.has_ir_version())
    return invalid_model("not an ONNX model: it has no ", model.has_graph() ? "IR version" : "graph");
  auto graph = import_model(model, ops, options, directory);
  if (!graph.ok()) return one_line(std::move(graph).error());
  return graph;
}

}  // namespace

Result<Graph> load_onnx(const std::string& path, const OpTable& ops, const LoadOptions& options) {
  return guarded([&]() -> Result<Graph> {
    QL_TRY(auto bytes, read_whole_file(path, options.max_file_bytes));
    std::string directory = std::filesystem::path(path).parent_path().string();
    return load_bytes(bytes, ops, options, directory.empty() ? "." : directory).context(cat("'", path, "'"));
  });
}

Result<Graph> load_onnx_bytes(std::span<const std::byte> bytes, const OpTable& ops, const LoadOptions& options,
                              const std::string& directory) {
  return guarded([&] { return load_bytes(bytes, ops, options, directory); });
}

}  // namespace quadlane
