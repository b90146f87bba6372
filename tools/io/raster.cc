#include "tools/io/raster.h"

#include "tools/io/file.h"

namespace quadlane::tools {

bool is_picture_file(std::string_view path) {
  return ends_with(path, ".png") || ends_with(path, ".jpg") || ends_with(path, ".jpeg");
}

Result<Raster> parse_picture(std::string_view bytes) {
  if (bytes.substr(0, 8) == "\x89PNG\r\n\x1a\n") return parse_png(bytes);
  if (bytes.substr(0, 3) == "\xff\xd8\xff") return parse_jpeg(bytes);
  return invalid_argument("neither a PNG nor a JPEG picture (", bytes.size(), " bytes)");
}

Result<Raster> read_picture(const std::string& path) {
  QL_TRY(std::string bytes, read_file(path));
  return parse_picture(bytes).context(cat("'", path, "'"));
}

}  // namespace quadlane::tools
