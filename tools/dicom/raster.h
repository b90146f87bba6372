// One DICOM file as a picture, whatever study it belongs to.
#pragma once

#include "tools/io/raster.h"

namespace quadlane::tools {

// By the name's ending, or by the four letters that follow a DICOM file's preamble.
bool is_dicom_file(const std::string& path);
Result<Raster> read_dicom_picture(const std::string& path);

}  // namespace quadlane::tools
