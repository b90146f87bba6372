// NIfTI-1 volumes in one file, .nii or .nii.gz (by content, not by name), either byte order.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane::tools {

// 256 MB as float: a thousandfold compressed file must not ask for gigabytes.
inline constexpr int64_t kMostVoxels = int64_t{1} << 26;

struct NiftiImage {
  static constexpr size_t kHeaderBytes = 348;
  std::array<char, kHeaderBytes> header{};  // as the file has it, byte order included
  bool swapped = false;                     // the header is in the other byte order than this machine's
  std::array<int64_t, 7> extent{};          // x, y, z, t, ...; those the file does not have are 1
  std::array<double, 3> spacing_mm{};       // of x, y, z, converted from the unit the header names
  double phase_ms = 0;                      // time step, 0 if not told
  std::vector<float> voxels;                // x fastest; scl_slope and scl_inter applied; not-finite ones set to 0
  int64_t not_finite = 0;                   // how many were

  int64_t voxel_count() const;
};

// Two-file images (.hdr/.img), NIfTI-2, Analyze, complex and colour types are refused by name. Nothing is allocated
// beyond the bytes that are really there.
Result<NiftiImage> read_nifti(const std::string& path);

// A u8 image of `labels` with the first four extents of `like` and its header, geometry byte for byte. Header
// extensions are not copied: they may name the patient. A name that ends with .gz is compressed.
Status write_nifti_labels(const std::string& path, const NiftiImage& like, std::span<const uint8_t> labels);
// The same for float voxels.
Status write_nifti_f32(const std::string& path, const NiftiImage& like, std::span<const float> voxels);

// A header for volumes that come from elsewhere. `to_world` are the rows of the 3x4 matrix from voxel indices to RAS+
// millimetres, written as sform.
NiftiImage make_nifti(std::array<int64_t, 4> extent, std::array<double, 3> spacing_mm, double phase_ms,
                      const std::array<float, 12>& to_world);

}  // namespace quadlane::tools
