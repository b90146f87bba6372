#include "loader/external_data.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace quadlane {
namespace {

namespace fs = std::filesystem;

// The real path of `location` inside `directory`, links resolved.
Result<fs::path> confined(const std::string& directory, const std::string& location) {
  if (directory.empty()) return invalid_model("external data '", location, "' needs a model that lies in a directory");
  fs::path relative(location);
  if (location.empty() || location.find('\0') != location.npos || relative.is_absolute())
    return invalid_model("external data '", location, "' is not a relative path");
  for (const fs::path& part : relative)
    if (part == "..") return invalid_model("external data '", location, "' leads out of the model's directory");
  std::error_code failed;
  fs::path root = fs::canonical(directory, failed);
  if (failed) return make_error(Code::io, "cannot open directory '", directory, "': ", failed.message());
  fs::path file = fs::canonical(root / relative, failed);
  if (failed) return make_error(Code::io, "cannot open external data '", location, "': ", failed.message());
  if (std::mismatch(root.begin(), root.end(), file.begin(), file.end()).first != root.end())
    return invalid_model("external data '", location, "' leads out of the model's directory");
  if (!fs::is_regular_file(file, failed)) return invalid_model("external data '", location, "' is not a regular file");
  return file;
}

}  // namespace

Result<std::string> read_external(const std::string& directory, const ExternalRange& range) {
  QL_TRY(fs::path path, confined(directory, range.location));
  std::error_code failed;
  uint64_t size = fs::file_size(path, failed);
  if (failed) return make_error(Code::io, "cannot open external data '", range.location, "': ", failed.message());
  if (range.offset > size || range.bytes > size - range.offset)
    return invalid_model("external data '", range.location, "' has ", size, " bytes, ", range.bytes, " at offset ",
                         range.offset, " are asked for");
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(range.offset));
  std::string bytes(range.bytes, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(range.bytes));
  if (!file) return make_error(Code::io, "cannot read external data '", range.location, "'");
  return bytes;
}

}  // namespace quadlane
