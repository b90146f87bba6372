// Sorting: position along the slice normal, then trigger time (else acquisition time, else instance number). The world
// matrix turns DICOM's LPS axes into NIfTI's RAS: x and y change sign.
#include "tools/dicom/series.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <tuple>

#include "tools/dicom/slice.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

constexpr size_t kMaxFiles = 100000;
constexpr double kSamePlaceMm = 0.1;

using Stack = std::vector<DicomSlice>;

// Slices of one stack share this; directions are compared to three decimals.
std::string stack_key(const DicomSlice& s) {
  std::string key = cat(s.rows, "x", s.columns);
  for (double v : s.orientation) key += cat(" ", std::llround(v * 1000));
  for (double v : s.spacing) key += cat(" ", std::llround(v * 10000));
  return key;
}

double height(const DicomSlice& s) {
  auto n = s.normal();
  return n[0] * s.position[0] + n[1] * s.position[1] + n[2] * s.position[2];
}

bool earlier(const DicomSlice& a, const DicomSlice& b) {
  auto key = [](const DicomSlice& s) { return std::tuple(s.trigger_ms.value_or(0), s.acquisition_time, s.instance); };
  return key(a) < key(b);
}

// One list per position, bottom up, each in order of time.
std::vector<Stack> by_position(Stack slices) {
  std::sort(slices.begin(), slices.end(), [](auto& a, auto& b) { return height(a) < height(b); });
  std::vector<Stack> positions;
  for (DicomSlice& s : slices) {
    if (positions.empty() || height(s) - height(positions.back().front()) > kSamePlaceMm) positions.emplace_back();
    positions.back().push_back(std::move(s));
  }
  for (Stack& p : positions) std::sort(p.begin(), p.end(), earlier);
  return positions;
}

struct Found {
  std::map<std::string, Stack> stacks;
  std::vector<Error> refused;
  size_t files = 0, others = 0;
};

Result<Found> collect(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code code;
  std::vector<std::string> paths;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) paths.push_back(it->path().string());
    if (paths.size() > kMaxFiles) return unsupported("'", folder, "' holds more than ", kMaxFiles, " files");
  }
  if (code) return make_error(Code::io, "cannot list '", folder, "': ", code.message());
  std::sort(paths.begin(), paths.end());

  Found found;
  found.files = paths.size();
  for (const std::string& path : paths) {
    auto slice = read_dicom_slice(path);
    if (!slice.ok()) {
      found.refused.push_back(slice.error());
    } else if (!*slice) {
      ++found.others;
    } else {
      std::string key = stack_key(**slice);
      found.stacks[key].push_back(*std::move(*slice));
    }
  }
  return found;
}

Status check_regular(const std::vector<Stack>& positions) {
  for (const Stack& p : positions)
    if (p.size() != positions[0].size())
      return invalid_argument("slice '", p[0].path, "' has ", p.size(), " phases, slice '", positions[0][0].path,
                              "' has ", positions[0].size());
  return {};
}

// Distance of neighbouring slices; gaps that differ mean a missing slice, which disc summation would get wrong.
Result<double> slice_distance(const std::vector<Stack>& positions) {
  if (positions.size() == 1) return positions[0][0].slice_mm > 0 ? positions[0][0].slice_mm : 1.0;
  double first = height(positions[0][0]), last = height(positions.back()[0]);
  double mean = (last - first) / static_cast<double>(positions.size() - 1);
  for (size_t i = 1; i < positions.size(); ++i) {
    double gap = height(positions[i][0]) - height(positions[i - 1][0]);
    if (std::fabs(gap - mean) > 0.1 * mean + kSamePlaceMm)
      return invalid_argument("slices are ", mean, " mm apart, but ", gap, " mm before '", positions[i][0].path,
                              "': a slice is missing");
  }
  return mean;
}

Result<NiftiImage> assemble(const std::vector<Stack>& positions) {
  QL_CHECK_OK(check_regular(positions));
  QL_TRY(double distance, slice_distance(positions));
  const DicomSlice& base = positions[0][0];
  int64_t nx = base.columns, ny = base.rows, nz = static_cast<int64_t>(positions.size());
  int64_t nt = static_cast<int64_t>(positions[0].size());
  if (nz > 32767 || nt > 32767) return unsupported(nz, " slices x ", nt, " phases are too many");
  if (nz * nt > kMostVoxels / (nx * ny))
    return unsupported(nz, " slices x ", nt, " phases of ", ny, "x", nx, " pixels are more than ", kMostVoxels,
                       " voxels");

  const auto& o = base.orientation;
  auto normal = base.normal();
  std::array<float, 12> to_world;
  for (int axis = 0; axis < 3; ++axis) {
    double sign = axis < 2 ? -1 : 1;
    to_world[4 * axis + 0] = static_cast<float>(sign * o[axis] * base.spacing[1]);
    to_world[4 * axis + 1] = static_cast<float>(sign * o[3 + axis] * base.spacing[0]);
    to_world[4 * axis + 2] = static_cast<float>(sign * normal[axis] * distance);
    to_world[4 * axis + 3] = static_cast<float>(sign * base.position[axis]);
  }
  double phase_ms = 0;
  if (nt > 1 && base.trigger_ms && positions[0].back().trigger_ms)
    phase_ms = (*positions[0].back().trigger_ms - *base.trigger_ms) / static_cast<double>(nt - 1);

  NiftiImage image = make_nifti({nx, ny, nz, nt}, {base.spacing[1], base.spacing[0], distance}, phase_ms, to_world);
  image.voxels.reserve(static_cast<size_t>(image.voxel_count()));
  for (int64_t t = 0; t < nt; ++t)
    for (const Stack& position : positions) {
      QL_TRY(std::vector<float> pixels, read_dicom_pixels(position[static_cast<size_t>(t)]));
      image.voxels.insert(image.voxels.end(), pixels.begin(), pixels.end());
    }
  return image;
}

}  // namespace

bool has_dicom() { return true; }

Result<DicomSeries> read_dicom_folder(const std::string& folder) {
  QL_TRY(Found found, collect(folder));
  if (found.stacks.empty()) {
    if (!found.refused.empty()) return found.refused.front();
    return invalid_argument("'", folder, "' holds no DICOM slice among its ", found.files, " files");
  }
  DicomSeries series;
  for (const Error& error : found.refused) series.notes.push_back(cat("left out ", error.text()));
  if (found.others) series.notes.push_back(cat("left out ", found.others, " files that are no DICOM images"));

  const Stack* best = nullptr;
  for (const auto& [key, stack] : found.stacks)
    if (!best || stack.size() > best->size()) best = &stack;
  for (const auto& [key, stack] : found.stacks)
    if (&stack != best)
      series.notes.push_back(cat("left out a stack of ", stack.size(), " images, as '", stack[0].path, "'"));
  QL_TRY(series.image, assemble(by_position(*best)).context(cat("'", folder, "'")));
  return series;
}

}  // namespace quadlane::tools
