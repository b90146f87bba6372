#include "tools/heart/exam.h"

#include "tools/dicom/series.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

std::string shape_text(const NiftiImage& image) {
  return cat(image.extent[0], "x", image.extent[1], "x", image.extent[2], "x", image.extent[3]);
}

Status check(const NiftiImage& image) {
  for (int i = 4; i < 7; ++i)
    if (image.extent[i] != 1)
      return unsupported("dimension ", i + 1, " has extent ", image.extent[i], ", an exam has 4 dimensions");
  for (double mm : image.spacing_mm)
    if (!(mm > 0 && mm < 1000))
      return invalid_argument("voxels are ", image.spacing_mm[0], " x ", image.spacing_mm[1], " x ",
                              image.spacing_mm[2], " mm");
  return {};
}

}  // namespace

Result<Exam> read_exam(const std::string& path) {
  Exam exam;
  if (is_directory(path)) {
    QL_TRY(DicomSeries series, read_dicom_folder(path));
    exam.image = std::move(series.image);
    exam.notes = std::move(series.notes);
  } else {
    QL_TRY(exam.image, read_nifti(path));
  }
  if (exam.image.not_finite)
    exam.notes.push_back(cat(exam.image.not_finite, " voxels are not finite and were taken as 0"));
  QL_CHECK_OK(check(exam.image).context(cat("'", path, "'")));
  return exam;
}

Result<std::vector<uint8_t>> read_labels(const std::string& path, const Exam& exam) {
  QL_TRY(NiftiImage image, read_nifti(path));
  if (image.extent != exam.image.extent)
    return invalid_argument("'", path, "' is ", shape_text(image), ", the exam is ", shape_text(exam.image));
  std::vector<uint8_t> labels(image.voxels.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    float value = image.voxels[i];
    if (!(value >= 0 && value < kLabels) || value != static_cast<float>(static_cast<int>(value)))
      return invalid_argument("'", path, "' holds ", value, ", labels are 0 to ", kLabels - 1);
    labels[i] = static_cast<uint8_t>(value);
  }
  return labels;
}

}  // namespace quadlane::tools
