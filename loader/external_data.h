// Tensor bytes that lie in files beside the model. A file names its data by a relative path; only regular files inside
// the model's directory are read, whatever ".." or symbolic links say.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/status.h"

namespace quadlane {

struct ExternalRange {
  std::string location;  // as written in the model
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// The bytes of the range; allocated only when the file really has them. An empty directory refuses everything.
Result<std::string> read_external(const std::string& directory, const ExternalRange& range);
// All of a file, under the same rules.
Result<std::string> read_external_file(const std::string& directory, const std::string& location, uint64_t max_bytes);

}  // namespace quadlane
