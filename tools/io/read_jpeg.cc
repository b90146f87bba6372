// libjpeg reports errors by a callback that must not return: decode() holds nothing that has a destructor.
// clang-format off: jpeglib.h needs FILE
#include <cstdio>
#include <jpeglib.h>
// clang-format on

#include <csetjmp>

#include "tools/io/raster.h"

namespace quadlane::tools {
namespace {

struct Errors {
  jpeg_error_mgr base;  // first: libjpeg knows this part only
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void fail(j_common_ptr info) {
  Errors* errors = reinterpret_cast<Errors*>(info->err);
  info->err->format_message(info, errors->message);
  std::longjmp(errors->back, 1);
}

void ignore(j_common_ptr) {}

// Every scan of a progressive file goes over the whole picture, and one that changes nothing takes a few bytes. Cameras
// and optimizers write about ten.
constexpr int kMostScans = 100;
void check_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  Errors* errors = reinterpret_cast<Errors*>(info->err);
  std::snprintf(errors->message, sizeof errors->message, "more than %d scans", kMostScans);
  std::longjmp(errors->back, 1);
}

struct Decoded {
  int channels = 0;
  size_t width = 0, height = 0;
  std::vector<JSAMPLE> bytes;
};

bool decode(jpeg_decompress_struct& info, Errors& errors, std::string_view bytes, Decoded& out) {
  jpeg_progress_mgr progress{};
  progress.progress_monitor = check_scans;
  if (setjmp(errors.back)) return false;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  // Before libjpeg decodes: of a progressive file it holds all coefficients.
  if (is_too_large(info.num_components, info.image_height, info.image_width)) return false;
  info.progress = &progress;
  info.out_color_space = info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  info.dct_method = JDCT_ISLOW;  // the same values on every machine
  jpeg_start_decompress(&info);
  out.channels = info.output_components;
  out.width = info.output_width;
  out.height = info.output_height;
  const size_t pitch = out.width * static_cast<size_t>(out.channels);
  out.bytes.resize(pitch * out.height);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = out.bytes.data() + info.output_scanline * pitch;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  return true;
}

}  // namespace

Result<Raster> parse_jpeg(std::string_view bytes) {
  jpeg_decompress_struct info{};
  Errors errors{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = fail;
  errors.base.output_message = ignore;  // warnings are counted
  std::snprintf(errors.message, sizeof errors.message, "larger than %d pixels a side or %zu values", kMaxRasterSide,
                kMaxRasterValues);
  Decoded found;
  const bool done = decode(info, errors, bytes, found);
  const bool damaged = errors.base.num_warnings > 0;  // libjpeg would fill what is missing with grey
  jpeg_destroy_decompress(&info);
  if (!done) return invalid_argument("damaged JPEG: ", std::string_view(errors.message));
  if (damaged)
    return invalid_argument("damaged JPEG: ", found.width, "x", found.height, " pixels, some of them missing");
  Raster raster{found.channels, static_cast<int>(found.height), static_cast<int>(found.width), {}};
  raster.values.resize(found.bytes.size());
  const size_t plane = raster.plane(), channels = static_cast<size_t>(found.channels);
  for (size_t i = 0; i < plane; ++i)
    for (size_t c = 0; c < channels; ++c) raster.values[c * plane + i] = found.bytes[i * channels + c];
  return raster;
}

}  // namespace quadlane::tools
