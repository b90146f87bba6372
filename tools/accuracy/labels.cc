#include "tools/accuracy/labels.h"

#include <charconv>
#include <filesystem>

#include "tools/cli/tensors.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

// "a/image_07.nii.gz" -> "image_07"
std::string stem_of(const std::string& path) {
  std::filesystem::path name = std::filesystem::path(path).filename();
  if (ends_with(name.string(), ".gz")) name = name.stem();
  return name.stem().string();
}

Result<std::map<std::string, int32_t>> read_table(const std::string& path) {
  QL_TRY(std::string text, read_file(path, size_t{64} << 20));
  std::map<std::string, int32_t> classes;
  size_t line = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string row = text.substr(at, end - at);
    at = end + 1;
    ++line;
    if (!row.empty() && row.back() == '\r') row.pop_back();
    if (row.empty()) continue;
    const size_t comma = row.rfind(',');
    int32_t value = 0;
    const char* first = row.data() + comma + 1;
    const char* last = row.data() + row.size();
    const auto [end_of_number, error] = std::from_chars(first, last, value);
    if (comma == std::string::npos || error != std::errc() || end_of_number != last || value < 0 ||
        value > TaskScore::kLastClass)
      return invalid_argument("'", path, "' line ", line, " is not NAME,CLASS with a class of 0 to ",
                              TaskScore::kLastClass);
    classes[stem_of(row.substr(0, comma))] = value;
  }
  return classes;
}

}  // namespace

Result<Labels> Labels::open(const std::string& folder, Metric metric, std::shared_ptr<PictureReader> pictures) {
  if (!is_directory(folder)) return make_error(Code::io, "labels '", folder, "' is no folder");
  Labels labels;
  labels.folder_ = folder;
  labels.metric_ = metric;
  labels.pictures_ = std::move(pictures);
  const std::string table = (std::filesystem::path(folder) / "labels.csv").string();
  if (exists(table)) {
    QL_TRY(labels.by_name_, read_table(table));
  }
  return labels;
}

Result<Classes> Labels::of(const Sample& sample, size_t pixels) const {
  const std::string stem = stem_of(sample.files[0]);
  if (auto found = by_name_.find(stem); metric_ == Metric::top1 && found != by_name_.end())
    return Classes{found->second};
  for (const char* ending : {".npy", ".png", ".nii.gz", ".nii"}) {
    const std::string path = (std::filesystem::path(folder_) / (stem + ending)).string();
    if (!exists(path)) continue;
    QL_TRY(Tensor tensor, is_tensor_file(path) ? read_tensor(path) : pictures_->read_labels(path, sample.index));
    Classes classes;
    for (int64_t i = 0; i < tensor.count(); ++i) {
      const double value = element_as_double(tensor.view(), i);
      if (!(value >= TaskScore::kAnyClass && value <= TaskScore::kLastClass))
        return invalid_argument("label '", path, "' element ", i, " is ", value, ", expected ", TaskScore::kAnyClass,
                                " (any class) to ", TaskScore::kLastClass);
      classes.push_back(static_cast<int32_t>(value));
    }
    const size_t wanted = metric_ == Metric::top1 ? 1 : pixels;
    if (classes.size() != wanted)
      return invalid_argument("label '", path, "' has ", classes.size(), " elements, the output has ", wanted);
    return classes;
  }
  return invalid_argument("labels '", folder_, "' has none for ", sample.name(), ": no ", stem,
                          ".npy, .png, .nii.gz, .nii and no line in labels.csv");
}

Result<std::vector<Detection>> Labels::boxes_of(const Sample& sample) const {
  const std::string name = stem_of(sample.files[0]) + ".csv", path = (std::filesystem::path(folder_) / name).string();
  if (!exists(path)) return invalid_argument("labels '", folder_, "' has no boxes for ", sample.name(), ": no ", name);
  return read_boxes(path);
}

}  // namespace quadlane::tools
