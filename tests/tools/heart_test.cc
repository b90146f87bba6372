#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/tools/scratch.h"
#include "tools/heart/canvas.h"
#include "tools/heart/measure.h"
#include "tools/heart/montage.h"
#include "tools/heart/prepare.h"

namespace quadlane::tools {
namespace {

TEST(Prepare, WindowIsTheFirstAndLastPercentByRank) {
  // 10x10 values 0..99: last = 99, so ranks 0 (99 / 100) and 98 (99 * 99 / 100).
  std::vector<float> slice(100), out(100);
  for (size_t i = 0; i < 100; ++i) slice[i] = static_cast<float>(99 - i);
  prepare(slice, 10, 10, 10, out);
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(out[i], std::min(static_cast<float>(99 - i) / 98.0f, 1.0f)) << i;
}

TEST(Prepare, CutsOneAxisAndPadsTheOther) {
  // 2 rows x 7 columns into 4x4: columns from (7 - 4) / 2 = 1 on, rows placed at (4 - 2) / 2 = 1.
  std::vector<float> slice(14), out(16, 9);
  for (size_t i = 0; i < 14; ++i) slice[i] = static_cast<float>(i % 7);
  prepare(slice, 2, 7, 4, out);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) {
      float expected = y == 1 || y == 2 ? std::min(static_cast<float>(x) / 3, 1.0f) : 0;
      EXPECT_EQ(out[static_cast<size_t>(4 * y + x)], expected) << y << "," << x;
    }
}

TEST(Prepare, FlatSlicesAreZero) {
  std::vector<float> slice(16, 5), out(16, 1);
  prepare(slice, 4, 4, 4, out);
  EXPECT_EQ(out, std::vector<float>(16, 0));
}

TEST(Prepare, LabelsGoBackWhereTheyCameFrom) {
  for (auto [rows, columns] : {std::pair(9, 4), {6, 6}, {3, 11}, {5, 7}}) {
    const int size = 6;
    std::vector<uint8_t> labels(36), back(static_cast<size_t>(rows * columns), 77);
    for (size_t i = 0; i < 36; ++i) labels[i] = static_cast<uint8_t>(i);
    place_back(labels, size, rows, columns, back);
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < columns; ++x) {
        int ny = y - (rows > size ? (rows - size) / 2 : -((size - rows) / 2));
        int nx = x - (columns > size ? (columns - size) / 2 : -((size - columns) / 2));
        bool inside = ny >= 0 && nx >= 0 && ny < size && nx < size;
        EXPECT_EQ(back[static_cast<size_t>(y * columns + x)], inside ? ny * size + nx : 0);
      }
  }
}

// Two slices, three phases; the LV is a square of side 10, 4 and 8, within a larger square of muscle, beside an RV.
Exam synthetic(std::vector<uint8_t>& labels) {
  Exam exam;
  exam.image = make_nifti({32, 32, 2, 3}, {1.5, 1.5, 8}, 300, {1.5f, 0, 0, 0, 0, 1.5f, 0, 0, 0, 0, 8, 0});
  exam.image.voxels.assign(32 * 32 * 6, 0);
  labels.assign(32 * 32 * 6, 0);
  const int sides[] = {10, 4, 8};
  for (int i = 0; i < 6; ++i)
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x) {
        int half = sides[i / 2] / 2;
        auto within = [&](int h) { return x >= 20 - h && x < 20 + h && y >= 16 - h && y < 16 + h; };
        uint8_t label = within(half) ? kLeftVentricle : within(half + 3) ? kMyocardium : x < half ? kRightVentricle : 0;
        labels[exam.offset(i) + static_cast<size_t>(32 * y + x)] = label;
        exam.image.voxels[exam.offset(i) + static_cast<size_t>(32 * y + x)] = static_cast<float>(label * 10 + x % 3);
      }
  return exam;
}

TEST(Measure, VolumesAreSumsOfDiscs) {
  std::vector<uint8_t> labels;
  Exam exam = synthetic(labels);
  HeartFunction f = measure(exam, labels);
  const double voxel = 1.5 * 1.5 * 8 / 1000;
  EXPECT_EQ(f.end_diastole, 0);
  EXPECT_EQ(f.end_systole, 1);
  EXPECT_DOUBLE_EQ(f.left.edv_ml, 2 * 100 * voxel);
  EXPECT_DOUBLE_EQ(f.left.esv_ml, 2 * 16 * voxel);
  EXPECT_DOUBLE_EQ(f.left.ejection_percent(), 84);
  EXPECT_DOUBLE_EQ(f.right.edv_ml, 2 * 5 * 32 * voxel);
  EXPECT_DOUBLE_EQ(f.right.esv_ml, 2 * 2 * 32 * voxel);
  EXPECT_DOUBLE_EQ(f.mass_g, 2 * (256 - 100) * voxel * 1.05);
  EXPECT_DOUBLE_EQ(f.volume_ml[2][kLeftVentricle], 2 * 64 * voxel);
}

TEST(Measure, NoHeartIsNoDivisionByZero) {
  std::vector<uint8_t> labels;
  Exam exam = synthetic(labels);
  std::fill(labels.begin(), labels.end(), uint8_t{0});
  EXPECT_EQ(measure(exam, labels).left.ejection_percent(), 0);
  Picture picture = montage(exam, labels, measure(exam, labels));
  EXPECT_GT(picture.width, 0);
}

TEST(Measure, DiceCountsOverlap) {
  std::vector<uint8_t> a = {3, 3, 3, 0, 1}, b = {3, 3, 0, 3, 2};
  EXPECT_DOUBLE_EQ(*dice(a, b, 3), 4.0 / 6);
  EXPECT_DOUBLE_EQ(*dice(a, b, 1), 0);
  EXPECT_DOUBLE_EQ(*dice(a, a, 3), 1);
  EXPECT_FALSE(dice(std::vector<uint8_t>{0}, std::vector<uint8_t>{0}, 2).has_value());
  EXPECT_EQ(changed(a, b), 3);
}

TEST(Montage, ShowsContoursAndDifferences) {
  std::vector<uint8_t> labels;
  Exam exam = synthetic(labels);
  std::vector<uint8_t> other = labels;
  other[exam.offset(0) + 16 * 32 + 20] = 0;
  HeartFunction f = measure(exam, labels);
  auto count = [](const Picture& p, Rgb colour) { return std::count(p.pixels.begin(), p.pixels.end(), colour); };
  Picture overview = montage(exam, labels, f);
  for (uint8_t k = 1; k < kLabels; ++k) EXPECT_GT(count(overview, kLabelColours[k]), 50) << int{k};
  Picture pair = side_by_side(exam, f, labels, "f32", other, "int8");
  EXPECT_GT(count(pair, kDifferenceColour), 0);
  EXPECT_EQ(count(side_by_side(exam, f, labels, "f32", labels, "int8"), kDifferenceColour), 0);
}

TEST(Exam, RefusesLabelsThatDoNotFit) {
  Scratch scratch;
  std::vector<uint8_t> labels;
  Exam exam = synthetic(labels);
  ASSERT_TRUE(write_nifti_labels(scratch.path("truth.nii.gz"), exam.image, labels).ok());
  EXPECT_EQ(*read_labels(scratch.path("truth.nii.gz"), exam), labels);
  labels[7] = 9;
  ASSERT_TRUE(write_nifti_labels(scratch.path("nine.nii"), exam.image, labels).ok());
  EXPECT_NE(read_labels(scratch.path("nine.nii"), exam).error().text().find("holds 9"), std::string::npos);
  exam.image.extent[2] = 3;
  EXPECT_NE(read_labels(scratch.path("truth.nii.gz"), exam).error().text().find("the exam is 32x32x3x3"),
            std::string::npos);
}

}  // namespace
}  // namespace quadlane::tools
