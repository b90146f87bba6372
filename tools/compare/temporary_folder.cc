#include "tools/compare/temporary_folder.h"

#include <unistd.h>

#include <filesystem>

namespace quadlane::tools {

Result<std::shared_ptr<TemporaryFolder>> TemporaryFolder::make() {
  std::string folder = (std::filesystem::temp_directory_path() / "quadlane-compare-XXXXXX").string();
  if (!mkdtemp(folder.data())) return make_error(Code::io, "cannot make a folder like '", folder, "'");
  auto made = std::make_shared<TemporaryFolder>();
  made->folder_ = folder;
  return made;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace quadlane::tools
