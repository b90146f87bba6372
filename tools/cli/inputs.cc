#include "tools/cli/inputs.h"

#include <algorithm>

#include "tools/cli/tensors.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

bool fits(const InputSpec& input, const TensorType& type) {
  if (input.dtype != type.dtype || !input.has_shape) return input.dtype == type.dtype;
  if (input.dims.size() != type.shape.size()) return false;
  for (size_t i = 0; i < input.dims.size(); ++i) {
    const int64_t extent = input.dims[i].extent, found = type.shape[i];
    const bool whole_batches = i == 0 && extent > 0 && found > 0 && found % extent == 0;
    if (!input.dims[i].is_open() && extent != found && !whole_batches) return false;
  }
  return true;
}

}  // namespace

Result<std::vector<std::string>> assign_inputs(std::span<const InputSpec> inputs,
                                               const std::vector<std::string>& specs) {
  std::vector<std::string> files(inputs.size());
  for (const std::string& spec : specs) {
    size_t split = spec.rfind('=');
    auto named =
        std::find_if(inputs.begin(), inputs.end(), [&](const auto& i) { return i.name == spec.substr(0, split); });
    size_t slot = static_cast<size_t>(std::find(files.begin(), files.end(), "") - files.begin());
    std::string file = spec;
    if (split != std::string::npos && !exists(spec)) {  // a path may contain "="
      if (named == inputs.end())
        return invalid_argument("--input '", spec, "': the model has no input '", spec.substr(0, split), "'");
      slot = static_cast<size_t>(named - inputs.begin());
      file = spec.substr(split + 1);
    }
    if (slot >= files.size())
      return invalid_argument(specs.size(), " --input given, the model has ", inputs.size(), " inputs");
    files[slot] = file;
  }
  for (size_t i = 0; i < files.size(); ++i)
    if (files[i].empty())
      return invalid_argument("input '", inputs[i].name, "' (", to_string(inputs[i]), ") has no --input");
  return files;
}

Result<std::vector<Tensor>> read_inputs(std::span<const InputSpec> inputs, std::span<const std::string> files,
                                        PictureReader& pictures) {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < files.size(); ++i) {
    TensorType type{inputs[i].dtype, {}};
    for (const Dim& dim : inputs[i].dims) type.shape.push_back(dim.extent);
    const bool image = !is_tensor_file(files[i]) && exists(files[i]) && is_image_file(files[i]);
    QL_TRY(Tensor tensor, image ? pictures.read_all(files[i], type) : read_tensor(files[i]));
    if (!fits(inputs[i], tensor.type()))
      return invalid_argument("input '", inputs[i].name, "' is ", to_string(inputs[i]), ", '", files[i], "' holds ",
                              to_string(tensor.type()));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void bind_inputs(std::span<const InputSpec> inputs, std::span<const Tensor> tensors, LoadOptions& options) {
  for (size_t i = 0; i < tensors.size(); ++i) options.shapes.try_emplace(inputs[i].name, tensors[i].shape());
}

}  // namespace quadlane::tools
