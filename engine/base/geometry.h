// Where the pixels of an activation lie: the one geometry of int8 quad planes and fp32 planes.
//
// A pixel is always 4 bytes: 4 consecutive u8 channels (a quad) or one f32 channel. A plane holds one quad (or one
// f32 channel) of all images; rows are flattened with a shared gap between them, so the right padding of row y is the
// left padding of row y + 1:
//
//   lead | image 0: pad_top rows | h rows of pitch = w + gap | pad_bottom rows | image 1: ... | tail
//
//   pixel index of (n, y, x) = origin + n * image_pixels + y * pitch + x       (origin: pixel (0, 0) of image 0)
//
// origin and image_pixels are multiples of kVectorPixels, so the vectors of an image, counted from its (0, 0), are
// aligned and never shared with another image. A vector may run across the end of a row; its lanes in the gap are
// overwritten with the plane's padding value by whoever stores it (valid_lanes()). Reads may go `slack` pixels before
// and behind what padding needs: lead and tail hold them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "engine/base/status.h"

namespace quadlane {

inline constexpr int kVectorPixels = 16;  // 64 bytes: one zmm, two ymm
inline constexpr int kPixelBytes = 4;
inline constexpr int kSlackPixels = 64;  // a kernel may load (never store) this far beyond the padding

struct Geometry {
  int n = 1, h = 0, w = 0;
  int gap = 0;                      // pixels between two rows: the largest horizontal padding of all consumers
  int pad_top = 0, pad_bottom = 0;  // rows
  int pitch = 0;                    // w + gap
  int64_t origin = 0;               // pixel index of (0, 0) of image 0
  int64_t image_pixels = 0;         // distance between two images
  int64_t plane_pixels = 0;         // distance between two planes

  static constexpr auto kFields = std::tuple{
      &Geometry::n,          &Geometry::h,     &Geometry::w,      &Geometry::gap,          &Geometry::pad_top,
      &Geometry::pad_bottom, &Geometry::pitch, &Geometry::origin, &Geometry::image_pixels, &Geometry::plane_pixels};
  bool operator==(const Geometry&) const = default;
  int64_t plane_bytes() const { return plane_pixels * kPixelBytes; }
  int64_t image_bytes() const { return image_pixels * kPixelBytes; }
  // 16-pixel vectors that cover one image's rows, gaps included: ceil(((h-1)*pitch + w) / 16).
  int vectors() const { return static_cast<int>(((h - 1) * int64_t{pitch} + w + kVectorPixels - 1) / kVectorPixels); }
  int64_t pixel(int64_t image, int64_t y, int64_t x) const { return origin + image * image_pixels + y * pitch + x; }
};
std::string describe(const Geometry&);  // "1x56x56 gap1 pad1,1"

// Refuses what would not fit in 2^31 pixels a plane.
Result<Geometry> make_geometry(int64_t n, int64_t h, int64_t w, int gap, int pad_top, int pad_bottom);

// Bit i of entry v: lane i of vector v of an image is a pixel of the image (else gap or behind the last row).
std::vector<uint16_t> valid_lanes(const Geometry&);

}  // namespace quadlane
