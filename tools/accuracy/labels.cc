#include "tools/accuracy/labels.h"

#include <charconv>
#include <cmath>
#include <filesystem>

#include "tools/cli/tensors.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

namespace fs = std::filesystem;

// "./a/image_07.nii.gz" -> "a/image_07"
std::string name_of(const std::string& path) {
  fs::path name = fs::path(path).lexically_normal();
  if (ends_with(name.string(), ".gz")) name.replace_extension();
  return name.replace_extension().generic_string();
}

// In the folder: by the whole name, else by its last part; empty where there is none.
std::string file_of(const std::string& folder, const std::string& name, std::initializer_list<const char*> endings) {
  for (const std::string& stem : {name, fs::path(name).filename().string()})
    for (const char* ending : endings)
      if (std::string path = (fs::path(folder) / (stem + ending)).string(); exists(path)) return path;
  return {};
}

Shape without_ones(Shape shape) {
  std::erase(shape, 1);
  return shape;
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
    const std::string name = name_of(row.substr(0, comma));
    if (const auto [known, added] = classes.emplace(name, value); !added && known->second != value)
      return invalid_argument("'", path, "' line ", line, " has class ", value, " for '", name, "', a line before it ",
                              known->second);
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
  const std::string table = (fs::path(folder) / "labels.csv").string();
  if (exists(table)) {
    QL_TRY(labels.by_name_, read_table(table));
  }
  return labels;
}

// Of the line that names the longest end of the sample's path, else of those that end in this path.
Result<std::optional<int32_t>> Labels::in_table(const Sample& sample) const {
  const std::string name = name_of(sample.below);
  for (size_t at = 0, slash = 0; slash != std::string::npos; at = slash + 1) {
    if (auto found = by_name_.find(name.substr(at)); found != by_name_.end()) return std::optional(found->second);
    slash = name.find('/', at);
  }
  std::optional<int32_t> one;
  for (const auto& [row, value] : by_name_) {
    if (!row.ends_with("/" + name)) continue;
    if (one.value_or(value) != value)
      return invalid_argument("labels.csv has the classes ", *one, " and ", value, " for what may be ", sample.name(),
                              ": name a folder further up by --calib");
    one = value;
  }
  return one;
}

Result<Classes> Labels::read(const std::string& path, const Sample& sample, const LabelForm& form) const {
  QL_TRY(Tensor tensor, is_tensor_file(path) ? read_tensor(path) : pictures_->read_labels(path, sample.index));
  if (without_ones(tensor.shape()) != without_ones(form.shape))
    return invalid_argument("label '", path, "' has the shape ", to_string(tensor.shape()), ", the output's classes ",
                            to_string(form.shape));
  Classes classes;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const double value = element_as_double(tensor.view(), i);
    if (!(value >= TaskScore::kAnyClass && value < static_cast<double>(form.classes) && value == std::trunc(value)))
      return invalid_argument("label '", path, "' element ", i, " is ", value, ", the output has the classes 0 to ",
                              form.classes - 1, " (", TaskScore::kAnyClass, ": any is right)");
    classes.push_back(static_cast<int32_t>(value));
  }
  return classes;
}

Result<Classes> Labels::of(const Sample& sample, const LabelForm& form) const {
  const std::string name = name_of(sample.below);
  std::optional<int32_t> named;
  if (metric_ == Metric::top1) {
    QL_TRY(named, in_table(sample));
  }
  if (named && elements(form.shape) != 1)
    return invalid_argument("labels.csv has one class for ", sample.name(), ", the output ", elements(form.shape));
  if (named && *named >= form.classes)
    return invalid_argument("labels.csv has class ", *named, " for ", sample.name(),
                            ", the output has the classes 0 to ", form.classes - 1);
  if (named) return Classes{*named};
  const std::string path = file_of(folder_, name, {".npy", ".png", ".nii.gz", ".nii"});
  if (!path.empty()) return read(path, sample, form);
  return invalid_argument("labels '", folder_, "' has none for ", sample.name(), ": no ", name,
                          ".npy, .png, .nii.gz, .nii and no line in labels.csv");
}

Result<std::vector<Detection>> Labels::boxes_of(const Sample& sample, int64_t classes) const {
  const std::string name = name_of(sample.below), path = file_of(folder_, name, {".csv"});
  if (path.empty())
    return invalid_argument("labels '", folder_, "' has no boxes for ", sample.name(), ": no ", name, ".csv");
  QL_TRY(std::vector<Detection> boxes, read_boxes(path));
  for (const Detection& box : boxes)
    if (box.kind < 0 || box.kind >= classes)
      return invalid_argument("'", path, "' has a box of class ", box.kind, ", the output has the classes 0 to ",
                              classes - 1);
  return boxes;
}

}  // namespace quadlane::tools
