// Pictures of a segmented exam.
#pragma once

#include <span>
#include <string>

#include "tools/heart/measure.h"
#include "tools/io/png.h"

namespace quadlane::tools {

// Every slice at end-diastole (above) and end-systole (below) with its contours.
Picture montage(const Exam&, std::span<const uint8_t> labels, const HeartFunction&);

// Rows: three slices (base, middle, apex) at end-diastole and end-systole. Columns: the image, then the contours of
// both label maps under their names, then the pixels in which they differ.
Picture side_by_side(const Exam&, const HeartFunction&, std::span<const uint8_t> first, const std::string& first_name,
                     std::span<const uint8_t> second, const std::string& second_name);

}  // namespace quadlane::tools
