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
  // The files of external data that initializers and constants name, each once, relative to the model's folder.
  std::vector<std::string> external_files() const;
  // As load_onnx gives it. May be called from several threads; external data is read again.
  Result<Graph> bind(const OpTable&, const LoadOptions& = {}) const;

 private:
  struct File;
  explicit OnnxModel(std::shared_ptr<const File> file) : file_(std::move(file)) {}
  std::shared_ptr<const File> file_;
};

}  // namespace quadlane
