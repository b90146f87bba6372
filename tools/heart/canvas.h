// Drawing for montages: grey tiles, label contours, small capitals.
#pragma once

#include <span>
#include <string_view>

#include "tools/io/png.h"

namespace quadlane::tools {

inline constexpr Rgb kLabelColours[4] = {{0, 0, 0}, {70, 130, 255}, {60, 220, 90}, {255, 70, 60}};
inline constexpr Rgb kDifferenceColour = {255, 0, 255};
inline constexpr Rgb kTextColour = {235, 235, 235};
inline constexpr int kGlyphWidth = 6, kGlyphHeight = 7;  // pixels, the gap to the next glyph included

// A part of a slice: what a tile shows.
struct Window {
  int x, y, width, height;
};

// Grey values with 0 black and 1 white, enlarged `scale` times, upper left corner at (left, top).
void draw_grey(Picture&, int left, int top, int scale, std::span<const float> slice, int columns, Window);
// The border pixels of each label region, drawn one output pixel wide inside the region.
void draw_contours(Picture&, int left, int top, int scale, std::span<const uint8_t> labels, int columns, Window);
// Fills the pixels in which two label maps differ.
void draw_differences(Picture&, int left, int top, int scale, std::span<const uint8_t> a, std::span<const uint8_t> b,
                      int columns, Window);
// A-Z, 0-9, space and - . , : / % + x; other characters are left blank. Lower case is drawn as upper case.
void draw_text(Picture&, int left, int top, std::string_view, Rgb = kTextColour);

}  // namespace quadlane::tools
