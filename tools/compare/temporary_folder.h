// A folder for files that other engines and builds are given, gone with the object.
#pragma once

#include <memory>
#include <string>

#include "engine/base/status.h"

namespace quadlane::tools {

class TemporaryFolder {
 public:
  static Result<std::shared_ptr<TemporaryFolder>> make();
  ~TemporaryFolder();
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

 private:
  std::string folder_;
};

}  // namespace quadlane::tools
