// One DICOM file: where its slice lies, when it was taken, and its pixels.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane::tools {

struct DicomSlice {
  std::string path;
  int rows = 0, columns = 0;
  std::array<double, 2> spacing{};      // mm between rows, between columns
  std::array<double, 6> orientation{};  // direction cosines along a row, along a column (LPS)
  std::array<double, 3> position{};     // centre of the first pixel, mm (LPS)
  double slice_mm = 0;                  // SpacingBetweenSlices, else SliceThickness, else 0
  std::optional<double> trigger_ms;     // since the R wave
  std::string acquisition_time;
  int instance = 0;
  double rescale_slope = 1, rescale_intercept = 0;

  std::array<double, 3> normal() const;
};

// Nothing: this is no DICOM file. An error: it is one, of a kind that is not read. Reads the header only.
Result<std::optional<DicomSlice>> read_dicom_slice(const std::string& path);
// rows x columns values, rescaled.
Result<std::vector<float>> read_dicom_pixels(const DicomSlice&);

}  // namespace quadlane::tools
