// What a physician reads off the labels: volumes by disc summation, ejection fraction, mass; and what a tester does:
// Dice and changed voxels.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "tools/heart/exam.h"

namespace quadlane::tools {

inline constexpr double kMuscleGramsPerMl = 1.05;

struct Ventricle {
  double edv_ml = 0, esv_ml = 0;
  double stroke_ml() const { return edv_ml - esv_ml; }
  double ejection_percent() const { return edv_ml > 0 ? 100 * (edv_ml - esv_ml) / edv_ml : 0; }
};

struct HeartFunction {
  std::vector<std::array<double, kLabels>> volume_ml;  // by phase and label
  int end_diastole = 0, end_systole = 0;               // phases of largest and smallest LV volume; both ventricles
  Ventricle left, right;
  double mass_g = 0;  // left-ventricular muscle at end-diastole
};

HeartFunction measure(const Exam&, std::span<const uint8_t> labels);

// 2 |A and B| / (|A| + |B|) of one label; nothing when neither has any.
std::optional<double> dice(std::span<const uint8_t> a, std::span<const uint8_t> b, uint8_t label);
int64_t changed(std::span<const uint8_t> a, std::span<const uint8_t> b);

}  // namespace quadlane::tools
