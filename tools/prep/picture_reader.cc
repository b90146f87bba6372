#include "tools/prep/picture_reader.h"

#include <cmath>
#include <cstring>

#include "tools/dicom/raster.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

bool is_volume_file(const std::string& path) { return ends_with(path, ".nii") || ends_with(path, ".nii.gz"); }

}  // namespace

bool is_image_file(const std::string& path) {
  return is_picture_file(path) || is_volume_file(path) || is_dicom_file(path);
}

Result<const Preprocessing*> PictureReader::preprocessing() {
  if (!prep_) {
    QL_TRY(prep_, find_());
  }
  return &*prep_;
}

Result<const NiftiImage*> PictureReader::volume(const std::string& path) {
  if (volume_path_ != path) {
    volume_path_.clear();
    QL_TRY(volume_, read_nifti(path));
    volume_path_ = path;
    if (volume_.not_finite)
      return invalid_argument("'", path, "': ", volume_.not_finite, " of ", volume_.voxel_count(),
                              " voxels are NaN or infinite");
  }
  return &volume_;
}

Result<int64_t> PictureReader::count(const std::string& path) {
  if (!is_volume_file(path)) return int64_t{1};
  QL_TRY(const NiftiImage* image, volume(path));
  return image->voxel_count() / (image->extent[0] * image->extent[1]);
}

Result<Raster> PictureReader::raster(const std::string& path, int64_t index) {
  if (is_picture_file(path)) return read_picture(path);
  if (!is_volume_file(path)) return read_dicom_picture(path);
  QL_TRY(const NiftiImage* image, volume(path));
  const int64_t columns = image->extent[0], rows = image->extent[1], slices = image->voxel_count() / (columns * rows);
  if (index < 0 || index >= slices)
    return invalid_argument("'", path, "' has ", slices, " slices, slice ", index, " is asked for");
  if (columns > kMaxRasterSide || rows > kMaxRasterSide)
    return unsupported("'", path, "' has slices of ", rows, "x", columns, " voxels");
  Raster raster{1, static_cast<int>(rows), static_cast<int>(columns), {}};
  auto first = image->voxels.begin() + index * rows * columns;
  raster.values.assign(first, first + rows * columns);
  return raster;
}

Result<Tensor> PictureReader::read(const std::string& path, int64_t index, const TensorType& wanted) {
  QL_TRY(const Preprocessing* prep, preprocessing());
  QL_TRY(Raster stored, raster(path, index));
  const std::string where = cat("'", path, "'");
  auto prepared = prep->apply(std::move(stored)).context(where);
  if (!prepared.ok()) return std::move(prepared).error();
  return to_tensor(*prepared, wanted).context(where);
}

Result<Tensor> PictureReader::read_labels(const std::string& path, int64_t index) {
  QL_TRY(const Preprocessing* prep, preprocessing());
  QL_TRY(Raster stored, raster(path, index));
  if (stored.channels != 1)  // a palette's colours say nothing about its numbers
    return unsupported("label '", path, "' has ", stored.channels,
                       " channels, expected a grey picture of class numbers");
  const std::string where = cat("'", path, "'");
  auto classes = prep->geometry().apply(std::move(stored)).context(where);
  if (!classes.ok()) return std::move(classes).error();
  for (const float value : classes->values)
    if (!(std::fabs(value) < 0x1p31f)) return invalid_argument("label ", where, " holds ", value, ", no class number");
  return Tensor::from<int32_t>({classes->rows, classes->columns},
                               std::vector<int32_t>(classes->values.begin(), classes->values.end()));
}

Result<Tensor> PictureReader::read_all(const std::string& path, const TensorType& wanted) {
  QL_TRY(int64_t images, count(path));
  TensorType one = wanted;
  if (!one.shape.empty()) one.shape[0] = 1;
  QL_TRY(Tensor first, read(path, 0, one));
  if (images == 1) return first;
  Shape shape = first.shape();
  shape[0] = images;
  QL_TRY(Tensor all, Tensor::allocate({first.dtype(), shape}));
  const size_t bytes = first.type().bytes();
  for (int64_t i = 0; i < images; ++i) {
    QL_TRY(Tensor image, read(path, i, one));
    std::memcpy(static_cast<std::byte*>(all.mutable_data()) + static_cast<size_t>(i) * bytes, image.as<std::byte>(),
                bytes);
  }
  return all;
}

}  // namespace quadlane::tools
