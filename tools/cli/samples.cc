#include "tools/cli/samples.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "tools/cli/tensors.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {
namespace fs = std::filesystem;

Result<std::vector<std::string>> sorted_entries(const std::string& folder) {
  std::error_code code;
  std::vector<std::string> paths;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    paths.push_back(it->path().string());
  if (code) return make_error(Code::io, "cannot list '", folder, "': ", code.message());
  std::sort(paths.begin(), paths.end());
  return paths;
}

// The file of input k in a sample's folder, or nothing.
std::string input_file(const std::string& folder, const std::string& name, size_t k) {
  for (const std::string& stem : {file_name(name), cat("input_", k)})
    for (const char* ending : {".npy", ".pb"})
      if (std::string path = (fs::path(folder) / (stem + ending)).string(); exists(path)) return path;
  return {};
}

Status add_folder(const std::string& folder, const Graph& graph, CalibrationSource& source) {
  QL_TRY(std::vector<std::string> entries, sorted_entries(folder));
  size_t before = source.samples.size();
  for (const std::string& entry : entries) {
    if (graph.inputs().size() == 1 && !is_directory(entry) && is_tensor_file(entry)) source.samples.push_back({entry});
    if (!is_directory(entry)) continue;
    std::vector<std::string> files;
    for (size_t k = 0; k < graph.inputs().size(); ++k) {
      std::string file = input_file(entry, graph.at(graph.inputs()[k]).name, k);
      if (!file.empty()) files.push_back(std::move(file));
    }
    if (files.size() == graph.inputs().size()) source.samples.push_back(std::move(files));
  }
  if (source.samples.size() > before) return {};
  return invalid_argument("calibration folder '", folder, "' holds no sample: ", entries.size(),
                          " entries, none of them a .npy or .pb tensor for the model's ", graph.inputs().size(),
                          " inputs");
}

Status add_file(const std::string& path, const Graph& graph, CalibrationSource& source) {
  if (is_tensor_file(path)) {
    if (graph.inputs().size() != 1)
      return invalid_argument("'", path, "' is one tensor, the model has ", graph.inputs().size(), " inputs");
    if (!exists(path)) return make_error(Code::io, "cannot open '", path, "': no such file");
    source.samples.push_back({path});
    return {};
  }
  QL_TRY(Profile profile, Profile::load(path).context(cat("'", path, "' as calibration statistics")));
  if (!source.profile) source.profile.emplace();
  return source.profile->merge(profile);
}

// Part `index` of a tensor along its outermost extent.
Result<Tensor> part_of(const Tensor& whole, const TensorType& type, int64_t index) {
  QL_TRY(Tensor part, Tensor::allocate(type));
  std::memcpy(part.mutable_data(), whole.as<std::byte>() + static_cast<size_t>(index) * type.bytes(), type.bytes());
  return part;
}

bool is_multiple(const Shape& found, const Shape& one) {
  return !one.empty() && found.size() == one.size() && one[0] > 0 && found[0] > one[0] && found[0] % one[0] == 0 &&
         std::equal(found.begin() + 1, found.end(), one.begin() + 1);
}

}  // namespace

Result<CalibrationSource> find_calibration(const std::vector<std::string>& paths, const Graph& graph) {
  CalibrationSource source;
  for (const std::string& path : paths)
    QL_CHECK_OK(is_directory(path) ? add_folder(path, graph, source) : add_file(path, graph, source));
  if (source.profile && !source.samples.empty())
    return invalid_argument("--calib names both saved statistics and ", source.samples.size(),
                            " inputs, give one kind");
  return source;
}

Result<std::vector<std::vector<Tensor>>> read_samples(const std::vector<std::string>& files, const Graph& graph) {
  std::vector<Tensor> tensors;
  int64_t parts = 1;
  for (size_t k = 0; k < files.size(); ++k) {
    const Value& input = graph.at(graph.inputs()[k]);
    QL_TRY(Tensor tensor, read_tensor(files[k]));
    if (files.size() == 1 && tensor.dtype() == input.type.dtype && is_multiple(tensor.shape(), input.type.shape))
      parts = tensor.shape()[0] / input.type.shape[0];
    else
      QL_CHECK_OK(check_input({input.name, input.type}, tensor.type(), files[k]));
    tensors.push_back(std::move(tensor));
  }
  std::vector<std::vector<Tensor>> samples;
  if (parts == 1) {
    samples.push_back(std::move(tensors));
    return samples;
  }
  for (int64_t i = 0; i < parts; ++i) {
    QL_TRY(Tensor part, part_of(tensors[0], graph.at(graph.inputs()[0]).type, i));
    samples.push_back({std::move(part)});
  }
  return samples;
}

}  // namespace quadlane::tools
