// NIfTI volumes, plain and compressed.
#include "tools/io/nifti.h"

#include "tests/fuzz/targets/memory_file.h"

namespace quadlane::fuzz {
namespace {

std::string run(Bytes bytes) {
  const MemoryFile file(bytes);
  auto image = tools::read_nifti(file.path);
  if (image.ok() && static_cast<int64_t>(image->voxels.size()) != image->voxel_count())
    return cat(image->voxels.size(), " voxels are read of ", image->voxel_count());
  return {};
}

}  // namespace

const Target kNifti{"nifti", 1 << 20, run};

}  // namespace quadlane::fuzz
