#include "tools/heart/measure.h"

#include <algorithm>

namespace quadlane::tools {

HeartFunction measure(const Exam& exam, std::span<const uint8_t> labels) {
  HeartFunction f;
  size_t phase_voxels = exam.pixels() * static_cast<size_t>(exam.slices());
  for (int t = 0; t < exam.phases(); ++t) {
    std::array<int64_t, kLabels> voxels{};
    for (uint8_t label : labels.subspan(static_cast<size_t>(t) * phase_voxels, phase_voxels)) ++voxels[label];
    std::array<double, kLabels>& ml = f.volume_ml.emplace_back();
    for (int k = 0; k < kLabels; ++k) ml[k] = static_cast<double>(voxels[k]) * exam.voxel_ml();
  }
  auto less = [](const auto& a, const auto& b) { return a[kLeftVentricle] < b[kLeftVentricle]; };
  auto [least, most] = std::pair(std::min_element(f.volume_ml.begin(), f.volume_ml.end(), less),
                                 std::max_element(f.volume_ml.begin(), f.volume_ml.end(), less));
  f.end_systole = static_cast<int>(least - f.volume_ml.begin());
  f.end_diastole = static_cast<int>(most - f.volume_ml.begin());
  f.left = {(*most)[kLeftVentricle], (*least)[kLeftVentricle]};
  f.right = {(*most)[kRightVentricle], (*least)[kRightVentricle]};
  f.mass_g = (*most)[kMyocardium] * kMuscleGramsPerMl;
  return f;
}

std::optional<double> dice(std::span<const uint8_t> a, std::span<const uint8_t> b, uint8_t label) {
  int64_t both = 0, either = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    bool in_a = a[i] == label, in_b = b[i] == label;
    both += in_a && in_b;
    either += in_a + in_b;
  }
  if (either == 0) return {};
  return 2.0 * static_cast<double>(both) / static_cast<double>(either);
}

int64_t changed(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

}  // namespace quadlane::tools
