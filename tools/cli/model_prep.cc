#include "tools/cli/model_prep.h"

#include <filesystem>

#include "loader/onnx_model.h"
#include "tools/io/file.h"

namespace quadlane::tools {

std::string prep_file_beside(const std::string& model_path) {
  return std::filesystem::path(model_path).replace_extension(".prep.json").string();
}

Result<Preprocessing> find_preprocessing(const std::string& model_path, const std::string& prep_path) {
  if (!prep_path.empty()) return Preprocessing::read(prep_path);
  const std::string beside = prep_file_beside(model_path);
  if (exists(beside)) return Preprocessing::read(beside);
  QL_TRY(OnnxModel model, OnnxModel::read(model_path));
  if (std::string text = model.metadata(kPrepMetadata); !text.empty())
    return Preprocessing::parse(text).context(cat("preprocessing in '", model_path, "'"));
  return invalid_argument("pictures need the model's preprocessing: '", model_path, "' has none, there is no '", beside,
                          "' and --prep was not given");
}

std::shared_ptr<PictureReader> picture_reader(const std::string& model_path, const std::string& prep_path) {
  return std::make_shared<PictureReader>([=] { return find_preprocessing(model_path, prep_path); });
}

}  // namespace quadlane::tools
