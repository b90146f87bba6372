// A short-axis cine study as a folder of DICOM slices -> one 4D volume.
#pragma once

#include <string>
#include <vector>

#include "tools/io/nifti.h"

namespace quadlane::tools {

struct DicomSeries {
  NiftiImage image;                // x: columns, y: rows, z: along the slice normal, t: by trigger or acquisition time
  std::vector<std::string> notes;  // what was left out, for the user
};

// Reads every DICOM file below `folder`. Slices of equal orientation, size and spacing form a stack; of several stacks
// the one with the most cine images wins and the others are noted. Refused, with the file named: multi-frame objects,
// colour, compressions DCMTK cannot undo, and stacks whose positions do not all have the same number of phases.
Result<DicomSeries> read_dicom_folder(const std::string& folder);

// Whether this build can read DICOM at all.
bool has_dicom();

}  // namespace quadlane::tools
