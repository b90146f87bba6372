// Resizing pictures: out[y] = sum of w(i) in[i] over the pixels i near (y + 0.5) * n / m - 0.5, rows and columns alike.
#pragma once

#include "tools/prep/preprocessing.h"

namespace quadlane::tools {

// nearest: the pixel that the centre falls into. linear: two neighbours, the edge repeated, as OpenCV's INTER_LINEAR.
// area: a triangle as wide as the reduction, as Pillow's BILINEAR; linear where the picture grows.
Raster resample(const Raster&, int rows, int columns, Filter);

}  // namespace quadlane::tools
