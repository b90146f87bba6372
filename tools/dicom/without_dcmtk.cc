// Stands in for series.cc and raster.cc where DCMTK was not found at configure time.
#include "tools/dicom/raster.h"
#include "tools/dicom/series.h"

namespace quadlane::tools {

bool has_dicom() { return false; }

Result<DicomSeries> read_dicom_folder(const std::string& folder) {
  return unsupported("'", folder,
                     "' is a folder of DICOM files, but this build has no DICOM reader (DCMTK was not found)");
}

Result<Raster> read_dicom_picture(const std::string& path) {
  return unsupported("'", path, "' is a DICOM file, but this build has no DICOM reader (DCMTK was not found)");
}

}  // namespace quadlane::tools
