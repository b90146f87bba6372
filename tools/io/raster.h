// Pictures as numbers, as a file stores them: no gamma, no colour management, no scaling to [0, 1].
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace quadlane::tools {

struct Raster {
  int channels = 0, rows = 0, columns = 0;
  std::vector<float> values;  // [channel][row][column]; channels: 1 grey, 3 red, green, blue

  size_t plane() const { return static_cast<size_t>(rows) * static_cast<size_t>(columns); }
};

inline constexpr int kMaxRasterSide = 1 << 15;
// 22 megapixels in colour, 256 MB: a picture of a megabyte, or a line of preprocessing, must not ask for gigabytes.
inline constexpr size_t kMaxRasterValues = size_t{1} << 26;
inline bool is_too_large(int channels, size_t rows, size_t columns) {
  return rows > kMaxRasterSide || columns > kMaxRasterSide ||
         rows * columns > kMaxRasterValues / static_cast<size_t>(channels);
}

// PNG (1 to 16 bits, palettes become colours, alpha is dropped) or JPEG, by content.
Result<Raster> parse_picture(std::string_view bytes);
Result<Raster> read_picture(const std::string& path);
// Whether the name ends like that of such a file.
bool is_picture_file(std::string_view path);

Result<Raster> parse_png(std::string_view bytes);
Result<Raster> parse_jpeg(std::string_view bytes);

}  // namespace quadlane::tools
