// libpng reports errors by longjmp: decode() holds nothing that has a destructor, the buffers belong to its caller.
#include <png.h>

#include <csetjmp>
#include <cstring>

#include "tools/io/raster.h"

namespace quadlane::tools {
namespace {

struct Source {
  const char* at;
  size_t left;
  char message[128];
};

void read_bytes(png_structp png, png_bytep target, size_t bytes) {
  Source* source = static_cast<Source*>(png_get_io_ptr(png));
  if (bytes > source->left) png_error(png, "the file is cut short");
  std::memcpy(target, source->at, bytes);
  source->at += bytes;
  source->left -= bytes;
}

[[noreturn]] void fail(png_structp png, png_const_charp message) {
  Source* source = static_cast<Source*>(png_get_error_ptr(png));
  std::snprintf(source->message, sizeof source->message, "%s", message);
  png_longjmp(png, 1);
}

void ignore(png_structp, png_const_charp) {}

struct Decoded {
  png_uint_32 width = 0, height = 0;
  int channels = 0, bits = 0;
  std::vector<png_byte> bytes;
  std::vector<png_bytep> rows;
};

bool decode(png_structp png, png_infop info, Decoded& out) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_user_limits(png, kMaxRasterSide, kMaxRasterSide);
  png_read_info(png, info);
  const bool palette = png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE;
  if (palette) png_set_palette_to_rgb(png);
  // Grey of fewer bits stays in its own units: 0 and 1 of a mask are 0 and 1.
  if (!palette) png_set_packing(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  out.width = png_get_image_width(png, info);
  out.height = png_get_image_height(png, info);
  out.channels = png_get_channels(png, info);
  out.bits = png_get_bit_depth(png, info) == 16 ? 16 : 8;
  if (is_too_large(out.channels, out.height, out.width)) png_error(png, "the picture has too many values");
  const size_t pitch = png_get_rowbytes(png, info);
  out.bytes.resize(pitch * out.height);
  out.rows.resize(out.height);
  for (png_uint_32 y = 0; y < out.height; ++y) out.rows[y] = out.bytes.data() + y * pitch;
  png_read_image(png, out.rows.data());
  png_read_end(png, nullptr);
  return true;
}

}  // namespace

Result<Raster> parse_png(std::string_view bytes) {
  Source source{bytes.data(), bytes.size(), {}};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, fail, ignore);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (!info) return make_error(Code::out_of_memory, "no memory to decode a PNG");
  png_set_read_fn(png, &source, read_bytes);
  Decoded found;
  const bool done = decode(png, info, found);
  png_destroy_read_struct(&png, &info, nullptr);
  if (!done) return invalid_argument("damaged PNG: ", std::string_view(source.message));
  Raster raster{found.channels, static_cast<int>(found.height), static_cast<int>(found.width), {}};
  raster.values.resize(static_cast<size_t>(raster.channels) * raster.plane());
  const size_t pitch = found.bytes.size() / found.height, bytes_each = found.bits / 8;
  for (int c = 0; c < raster.channels; ++c)
    for (size_t y = 0; y < found.height; ++y)
      for (size_t x = 0; x < found.width; ++x) {
        const png_byte* p = found.bytes.data() + y * pitch + (x * raster.channels + c) * bytes_each;
        raster.values[c * raster.plane() + y * found.width + x] = found.bits == 16 ? p[0] * 256 + p[1] : p[0];
      }
  return raster;
}

}  // namespace quadlane::tools
