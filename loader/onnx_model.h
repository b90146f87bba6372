// A parsed ONNX file: its inputs as declared, and a graph for every binding of their open dimensions. The file is read
// and parsed once; binding imports it anew, because what is computed from shapes becomes constants.
#pragma once

#include <memory>

#include "loader/load.h"

namespace quadlane {

class OnnxModel {
 public:
  static Result<OnnxModel> read(const std::string& path, const LoadOptions& = {});
  static Result<OnnxModel> from_bytes(std::span<const std::byte>, const LoadOptions& = {},
                                      const std::string& directory = {});

  // Without those that have an initializer.
  const std::vector<InputSpec>& inputs() const;
  bool is_open() const;  // some dimension of some input is not fixed
  // An entry of the model's metadata_props; empty: there is none.
  std::string metadata(const std::string& key) const;
  // The files of external data that the loader may read, each once, relative to the model's folder: those of constants
  // and of initializers that a node or an output names, in the graph, its subgraphs and its functions.
  std::vector<std::string> external_files() const;
  // The bytes of one, under the loader's rules: a regular file inside of the model's folder.
  Result<std::string> read_external_file(const std::string& name, size_t max_bytes) const;
  // What the file says otherwise than the graph that it became: shapes of outputs. Files keep those of the day they
  // were exported, and other engines overlook it, too.
  std::vector<std::string> contradictions(const Graph&) const;
  // As load_onnx gives it. May be called from several threads; external data is read again.
  Result<Graph> bind(const OpTable&, const LoadOptions& = {}) const;

 private:
  struct File;
  explicit OnnxModel(std::shared_ptr<const File> file) : file_(std::move(file)) {}
  std::shared_ptr<const File> file_;
};

}  // namespace quadlane
