// A cine exam: slices x phases of one short-axis stack, and label maps of the same shape.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tools/io/nifti.h"

namespace quadlane::tools {

// Classes of the showcase network.
enum Label : uint8_t { kBackground = 0, kRightVentricle = 1, kMyocardium = 2, kLeftVentricle = 3 };
inline constexpr int kLabels = 4;
inline constexpr const char* kLabelNames[kLabels] = {"background", "RV", "myocardium", "LV"};

struct Exam {
  NiftiImage image;
  std::vector<std::string> notes;  // for the user

  int columns() const { return static_cast<int>(image.extent[0]); }
  int rows() const { return static_cast<int>(image.extent[1]); }
  int slices() const { return static_cast<int>(image.extent[2]); }
  int phases() const { return static_cast<int>(image.extent[3]); }
  int images() const { return slices() * phases(); }
  size_t pixels() const { return static_cast<size_t>(columns()) * static_cast<size_t>(rows()); }
  double voxel_ml() const { return image.spacing_mm[0] * image.spacing_mm[1] * image.spacing_mm[2] / 1000; }

  // Image i = phase * slices + slice, rows from the top; where its labels lie in a label map.
  size_t offset(int i) const { return static_cast<size_t>(i) * pixels(); }
  std::span<const float> pixels_of(int i) const { return {image.voxels.data() + offset(i), pixels()}; }
};

// A NIfTI file or a folder of DICOM files. Refuses more than 4 dimensions and spacings that are not positive.
Result<Exam> read_exam(const std::string& path);
// Labels for the exam's voxels; the shapes must be equal and all values 0 to 3.
Result<std::vector<uint8_t>> read_labels(const std::string& path, const Exam&);

}  // namespace quadlane::tools
