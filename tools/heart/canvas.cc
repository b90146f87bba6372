#include "tools/heart/canvas.h"

#include <algorithm>
#include <cctype>

namespace quadlane::tools {
namespace {

// 5x7 glyphs: seven rows, the highest of five bits is the left pixel.
struct Glyph {
  char character;
  uint8_t rows[7];
};
constexpr Glyph kGlyphs[] = {
    {'0', {14, 17, 19, 21, 25, 17, 14}}, {'1', {4, 12, 4, 4, 4, 4, 14}},      {'2', {14, 17, 1, 2, 4, 8, 31}},
    {'3', {31, 2, 4, 2, 1, 17, 14}},     {'4', {2, 6, 10, 18, 31, 2, 2}},     {'5', {31, 16, 30, 1, 1, 17, 14}},
    {'6', {6, 8, 16, 30, 17, 17, 14}},   {'7', {31, 1, 2, 4, 8, 8, 8}},       {'8', {14, 17, 17, 14, 17, 17, 14}},
    {'9', {14, 17, 17, 15, 1, 2, 12}},   {'A', {14, 17, 17, 31, 17, 17, 17}}, {'B', {30, 17, 17, 30, 17, 17, 30}},
    {'C', {14, 17, 16, 16, 16, 17, 14}}, {'D', {28, 18, 17, 17, 17, 18, 28}}, {'E', {31, 16, 16, 30, 16, 16, 31}},
    {'F', {31, 16, 16, 30, 16, 16, 16}}, {'G', {14, 17, 16, 23, 17, 17, 15}}, {'H', {17, 17, 17, 31, 17, 17, 17}},
    {'I', {14, 4, 4, 4, 4, 4, 14}},      {'J', {7, 2, 2, 2, 2, 18, 12}},      {'K', {17, 18, 20, 24, 20, 18, 17}},
    {'L', {16, 16, 16, 16, 16, 16, 31}}, {'M', {17, 27, 21, 21, 17, 17, 17}}, {'N', {17, 17, 25, 21, 19, 17, 17}},
    {'O', {14, 17, 17, 17, 17, 17, 14}}, {'P', {30, 17, 17, 30, 16, 16, 16}}, {'Q', {14, 17, 17, 17, 21, 18, 13}},
    {'R', {30, 17, 17, 30, 20, 18, 17}}, {'S', {15, 16, 16, 14, 1, 1, 30}},   {'T', {31, 4, 4, 4, 4, 4, 4}},
    {'U', {17, 17, 17, 17, 17, 17, 14}}, {'V', {17, 17, 17, 17, 17, 10, 4}},  {'W', {17, 17, 17, 21, 21, 21, 10}},
    {'X', {17, 17, 10, 4, 10, 17, 17}},  {'Y', {17, 17, 17, 10, 4, 4, 4}},    {'Z', {31, 1, 2, 4, 8, 16, 31}},
    {'-', {0, 0, 0, 31, 0, 0, 0}},       {'.', {0, 0, 0, 0, 0, 12, 12}},      {',', {0, 0, 0, 0, 12, 4, 8}},
    {':', {0, 12, 12, 0, 12, 12, 0}},    {'/', {0, 1, 2, 4, 8, 16, 0}},       {'%', {24, 25, 2, 4, 8, 19, 3}},
    {'+', {0, 4, 4, 31, 4, 4, 0}},
};

void fill(Picture& picture, int left, int top, int scale, Rgb colour) {
  for (int y = top; y < top + scale; ++y)
    for (int x = left; x < left + scale; ++x)
      if (picture.contains(x, y)) picture.at(x, y) = colour;
}

}  // namespace

void draw_grey(Picture& picture, int left, int top, int scale, std::span<const float> slice, int columns,
               Window window) {
  for (int y = 0; y < window.height; ++y)
    for (int x = 0; x < window.width; ++x) {
      float value = std::clamp(slice[static_cast<size_t>(window.y + y) * columns + window.x + x], 0.0f, 1.0f);
      uint8_t grey = static_cast<uint8_t>(value * 255 + 0.5f);
      fill(picture, left + x * scale, top + y * scale, scale, {grey, grey, grey});
    }
}

void draw_contours(Picture& picture, int left, int top, int scale, std::span<const uint8_t> labels, int columns,
                   Window window) {
  int rows = static_cast<int>(labels.size() / static_cast<size_t>(columns));
  // The label under an output pixel of the tile; what lies outside the slice is background.
  auto label = [&](int x, int y) -> uint8_t {
    int column = window.x + (x < 0 ? -1 : x / scale), row = window.y + (y < 0 ? -1 : y / scale);
    if (column < 0 || row < 0 || column >= columns || row >= rows) return 0;
    return labels[static_cast<size_t>(row) * columns + column];
  };
  for (int y = 0; y < window.height * scale; ++y)
    for (int x = 0; x < window.width * scale; ++x) {
      uint8_t here = label(x, y);
      if (here == 0) continue;
      bool border =
          label(x - 1, y) != here || label(x + 1, y) != here || label(x, y - 1) != here || label(x, y + 1) != here;
      if (border && picture.contains(left + x, top + y)) picture.at(left + x, top + y) = kLabelColours[here & 3];
    }
}

void draw_differences(Picture& picture, int left, int top, int scale, std::span<const uint8_t> a,
                      std::span<const uint8_t> b, int columns, Window window) {
  for (int y = 0; y < window.height; ++y)
    for (int x = 0; x < window.width; ++x) {
      size_t at = static_cast<size_t>(window.y + y) * columns + window.x + x;
      if (a[at] != b[at]) fill(picture, left + x * scale, top + y * scale, scale, kDifferenceColour);
    }
}

void draw_text(Picture& picture, int left, int top, std::string_view text, Rgb colour) {
  for (size_t i = 0; i < text.size(); ++i) {
    char c = static_cast<char>(std::toupper(static_cast<unsigned char>(text[i])));
    for (const Glyph& glyph : kGlyphs) {
      if (glyph.character != c) continue;
      for (int y = 0; y < 7; ++y)
        for (int x = 0; x < 5; ++x)
          if (glyph.rows[y] >> (4 - x) & 1)
            fill(picture, left + static_cast<int>(i) * kGlyphWidth + x, top + y, 1, colour);
    }
  }
}

}  // namespace quadlane::tools
