// Where a model's preprocessing comes from.
#pragma once

#include <memory>

#include "tools/prep/picture_reader.h"

namespace quadlane::tools {

inline constexpr const char* kPrepMetadata = "quadlane_preprocessing";

// "unet.onnx" -> "unet.prep.json"
std::string prep_file_beside(const std::string& model_path);
// Of a model: `prep_path` when it is not empty, the file beside the model, or the entry in its metadata, in that order.
Result<Preprocessing> find_preprocessing(const std::string& model_path, const std::string& prep_path);
std::shared_ptr<PictureReader> picture_reader(const std::string& model_path, const std::string& prep_path);

}  // namespace quadlane::tools
