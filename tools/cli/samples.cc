#include "tools/cli/samples.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "tools/cli/tensors.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {
namespace fs = std::filesystem;

// The file of input k in a sample's folder, or nothing.
std::string input_file(const std::string& folder, const std::string& name, size_t k) {
  for (const std::string& stem : {file_name(name), cat("input_", k)})
    for (const char* ending : {".npy", ".pb"})
      if (std::string path = (fs::path(folder) / (stem + ending)).string(); exists(path)) return path;
  return {};
}

constexpr int kDeepestFolder = 16;

class Finder {
 public:
  Finder(const Graph& graph, CalibrationSource& source) : graph_(graph), source_(source) {}

  Status add(const std::string& path) {
    root_ = is_directory(path) ? fs::path(path) : fs::path(path).parent_path();
    if (!is_directory(path)) return add_file(path);
    const size_t before = source_.samples.size();
    QL_CHECK_OK(add_folder(path, 0));
    if (source_.samples.size() > before) return {};
    return invalid_argument("folder '", path, "' holds no sample: ", entries_,
                            " entries, none of them a tensor (.npy, .pb) or an image for the model's ",
                            graph_.inputs().size(), " inputs");
  }

 private:
  Status add_folder(const std::string& folder, int depth) {
    if (depth > kDeepestFolder) return invalid_argument("'", folder, "' lies too deep");
    QL_TRY(std::vector<std::string> entries, sorted_entries(folder));
    entries_ += entries.size();
    for (const std::string& entry : entries) {
      if (!is_directory(entry)) {
        if (graph_.inputs().size() == 1 && is_sample_file(entry)) QL_CHECK_OK(add_sample(entry));
      } else if (!add_inputs_of(entry)) {
        QL_CHECK_OK(add_folder(entry, depth + 1));
      }
    }
    return {};
  }

  std::string below(const fs::path& path) const {
    return path.lexically_normal().lexically_relative(root_.lexically_normal()).generic_string();
  }
  static bool is_sample_file(const std::string& path) { return is_tensor_file(path) || is_image_file(path); }

  Status add_sample(const std::string& path) {
    int64_t count = 1;
    if (!is_tensor_file(path)) {
      QL_TRY(count, source_.pictures->count(path));
    }
    for (int64_t i = 0; i < count; ++i) source_.samples.push_back({{path}, i, below(path)});
    return {};
  }

  // Whether the folder holds a file for each input.
  bool add_inputs_of(const std::string& folder) {
    std::vector<std::string> files;
    for (size_t k = 0; k < graph_.inputs().size(); ++k) {
      std::string file = input_file(folder, graph_.at(graph_.inputs()[k]).name, k);
      if (file.empty()) return false;
      files.push_back(std::move(file));
    }
    source_.samples.push_back({std::move(files), 0, below(folder)});
    return true;
  }

  Status add_file(const std::string& path) {
    if (is_sample_file(path)) {
      if (graph_.inputs().size() != 1)
        return invalid_argument("'", path, "' is one tensor, the model has ", graph_.inputs().size(), " inputs");
      if (!exists(path)) return make_error(Code::io, "cannot open '", path, "': no such file");
      return add_sample(path);
    }
    QL_TRY(Profile profile, Profile::load(path).context(cat("'", path, "' as calibration statistics")));
    if (!source_.profile) source_.profile.emplace(profile.histograms());
    return source_.profile->merge(profile);
  }

  const Graph& graph_;
  CalibrationSource& source_;
  fs::path root_;
  size_t entries_ = 0;
};

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

std::string Sample::name() const { return index ? cat("'", files[0], "' slice ", index) : cat("'", files[0], "'"); }

Result<CalibrationSource> find_calibration(const std::vector<std::string>& paths, const Graph& graph,
                                           std::shared_ptr<PictureReader> pictures) {
  CalibrationSource source;
  source.pictures = std::move(pictures);
  Finder finder(graph, source);
  for (const std::string& path : paths) QL_CHECK_OK(finder.add(path));
  if (source.profile && !source.samples.empty())
    return invalid_argument("--calib names both saved statistics and ", source.samples.size(),
                            " inputs, give one kind");
  return source;
}

Result<std::vector<Tensor>> read_unchecked(const Sample& sample, std::span<const TensorType> types,
                                           const CalibrationSource& source) {
  std::vector<Tensor> tensors;
  for (size_t k = 0; k < sample.files.size(); ++k) {
    const std::string& file = sample.files[k];
    QL_TRY(Tensor tensor,
           is_tensor_file(file) ? read_tensor(file) : source.pictures->read(file, sample.index, types[k]));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Result<std::vector<std::vector<Tensor>>> read_samples(const Sample& sample, const Graph& graph,
                                                      const CalibrationSource& source) {
  std::vector<TensorType> types;
  for (ValueId id : graph.inputs()) types.push_back(graph.at(id).type);
  QL_TRY(std::vector<Tensor> tensors, read_unchecked(sample, types, source));
  int64_t parts = 1;
  for (size_t k = 0; k < tensors.size(); ++k) {
    if (tensors.size() == 1 && tensors[k].dtype() == types[k].dtype && is_multiple(tensors[k].shape(), types[k].shape))
      parts = tensors[k].shape()[0] / types[k].shape[0];
    else
      QL_CHECK_OK(check_input({graph.at(graph.inputs()[k]).name, types[k]}, tensors[k].type(), sample.files[k]));
  }
  std::vector<std::vector<Tensor>> samples;
  if (parts == 1) {
    samples.push_back(std::move(tensors));
    return samples;
  }
  for (int64_t i = 0; i < parts; ++i) {
    QL_TRY(Tensor part, part_of(tensors[0], types[0], i));
    samples.push_back({std::move(part)});
  }
  return samples;
}

void set_others_apart(const Graph& graph, CalibrationSource& source) {
  if (!source.rebind) return;
  const auto fits = [&](const Sample& sample) { return read_samples(sample, graph, source).ok(); };
  const auto others = std::stable_partition(source.samples.begin(), source.samples.end(), fits);
  source.others.assign(others, source.samples.end());
  source.samples.erase(others, source.samples.end());
}

}  // namespace quadlane::tools
