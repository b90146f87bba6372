// Pictures and volumes as inputs of a network, prepared as the model's preprocessing says.
#pragma once

#include <functional>
#include <optional>

#include "tools/io/nifti.h"
#include "tools/prep/preprocessing.h"

namespace quadlane::tools {

// Whether the file is a PNG, a JPEG, a NIfTI volume or a DICOM image.
bool is_image_file(const std::string& path);

class PictureReader {
 public:
  // `find`: the model's preprocessing, asked for once when the first picture comes; an error says why there is none.
  using Find = std::function<Result<Preprocessing>()>;
  explicit PictureReader(Find find) : find_(std::move(find)) {}

  Result<const Preprocessing*> preprocessing();
  // 1, or the slices of a volume: x and y are columns and rows, all further extents count.
  Result<int64_t> count(const std::string& path);
  // `wanted`: the type of the input, see to_tensor().
  Result<Tensor> read(const std::string& path, int64_t index, const TensorType& wanted);
  // Classes of pixels, [rows, columns] in s32: cut, padded (with 0) and resized as the pictures are.
  Result<Tensor> read_labels(const std::string& path, int64_t index);
  // All of them along the outermost extent.
  Result<Tensor> read_all(const std::string& path, const TensorType& wanted);

 private:
  Result<Raster> raster(const std::string& path, int64_t index);
  Result<const NiftiImage*> volume(const std::string& path);

  Find find_;
  std::optional<Preprocessing> prep_;
  // The last volume: its slices are asked for one after the other.
  std::string volume_path_;
  NiftiImage volume_;
};

}  // namespace quadlane::tools
