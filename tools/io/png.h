// 8-bit RGB pictures and PNG.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane::tools {

using Rgb = std::array<uint8_t, 3>;

struct Picture {
  int width = 0, height = 0;
  std::vector<Rgb> pixels;  // rows from the top

  Picture(int w, int h, Rgb fill = {0, 0, 0}) : width(w), height(h), pixels(static_cast<size_t>(w) * h, fill) {}
  bool contains(int x, int y) const { return x >= 0 && y >= 0 && x < width && y < height; }
  Rgb& at(int x, int y) { return pixels[static_cast<size_t>(y) * width + x]; }
  const Rgb& at(int x, int y) const { return pixels[static_cast<size_t>(y) * width + x]; }
};

Result<std::string> format_png(const Picture&);
Status write_png(const std::string& path, const Picture&);

}  // namespace quadlane::tools
