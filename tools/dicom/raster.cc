#include "tools/dicom/raster.h"

#include "tools/dicom/slice.h"

namespace quadlane::tools {

Result<Raster> read_dicom_picture(const std::string& path) {
  QL_TRY(std::optional<DicomSlice> slice, read_dicom_slice(path));
  if (!slice) return invalid_argument("'", path, "' is no DICOM image");
  QL_TRY(std::vector<float> pixels, read_dicom_pixels(*slice));
  return Raster{1, slice->rows, slice->columns, std::move(pixels)};
}

}  // namespace quadlane::tools
