#include "tools/io/png.h"

#include <png.h>

#include <cstring>

#include "tools/io/file.h"

namespace quadlane::tools {

Result<std::string> format_png(const Picture& picture) {
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGB;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, picture.pixels.data(), 0, nullptr))
    return make_error(Code::internal, "cannot encode a PNG of ", picture.width, "x", picture.height, ": ",
                      image.message);
  bytes.resize(size);
  return bytes;
}

Status write_png(const std::string& path, const Picture& picture) {
  QL_TRY(std::string bytes, format_png(picture));
  return write_file(path, bytes);
}

}  // namespace quadlane::tools
