// What --metric counts: classes, labels, boxes, and the classes' areas that --measured-bias keeps.
#include "tools/accuracy/task_score.h"

#include <gtest/gtest.h>

#include "tests/tools/scratch.h"
#include "tools/accuracy/decision_bias.h"
#include "tools/accuracy/detections.h"
#include "tools/accuracy/labels.h"
#include "tools/io/npy.h"

namespace quadlane::tools {
namespace {

TEST(TaskScore, CountsPixelsOfAllSamplesTogether) {
  TaskScore dice(Metric::dice), miou(Metric::miou);
  for (TaskScore* score : {&dice, &miou}) {
    score->add({0, 1, 1, 2}, {0, 1, 2, 2});
    score->add({0, 0, 1, 1}, {0, 1, 1, TaskScore::kAnyClass});
  }
  // Class 1: both 2, got 3, wanted 3; class 2: both 1, got 1, wanted 2; class 0: both 2, got 3, wanted 2.
  EXPECT_DOUBLE_EQ(dice.value(), (4.0 / 6 + 2.0 / 3) / 2);
  EXPECT_DOUBLE_EQ(miou.value(), (2.0 / 3 + 2.0 / 4 + 1.0 / 2) / 3);
  TaskScore top1(Metric::top1);
  top1.add({3}, {3});
  top1.add({2}, {3});
  EXPECT_DOUBLE_EQ(top1.value(), 0.5);
}

TEST(TaskScore, ClassesAreTheLargestChannelOrWhatExceedsTheThreshold) {
  Tensor four = Tensor::from<float>({1, 2, 1, 2}, std::vector<float>{1, 5, 3, 4});
  EXPECT_EQ(*classes_of(Metric::dice, four, 0), (Classes{1, 0}));
  EXPECT_EQ(*classes_of(Metric::top1, four, 0), (Classes{1}));
  Tensor last =
      Tensor::from<float>({1, 3, 3, 2}, std::vector<float>{1, 2, 2, 1, 0, 9, 3, 3, 5, 4, 4, 5, 1, 0, 0, 1, 7, 7});
  EXPECT_EQ(*classes_of(Metric::miou, last, 0), (Classes{1, 0, 1, 0, 0, 1, 0, 1, 0}));
  Tensor mask = Tensor::from<float>({1, 1, 1, 3}, std::vector<float>{0.4f, 0.6f, 0.5f});
  EXPECT_EQ(*classes_of(Metric::dice, mask, threshold_of(mask)), (Classes{0, 1, 0}));
  EXPECT_EQ(classes_of(Metric::dice, Tensor::from<float>({1, 2}, std::vector<float>{1, 2}), 0).error().text(),
            "an output f32[1,2] has no pixels to compare");
}

// Each picture of a batch has a class of its own.
TEST(TaskScore, AClassForEachRow) {
  const Tensor batch = Tensor::from<float>({2, 3}, std::vector<float>{1, 5, 3, 9, 0, 7});
  EXPECT_EQ(*classes_of(Metric::top1, batch, 0), (Classes{1, 0}));
  EXPECT_EQ(label_form(Metric::top1, batch)->shape, (Shape{2}));
  const Tensor binary = Tensor::from<float>({2, 1}, std::vector<float>{0.7f, 0.4f});
  EXPECT_EQ(*classes_of(Metric::top1, binary, threshold_of(binary)), (Classes{1, 0}));
  const Tensor ranked = Tensor::from<int64_t>({2, 2}, std::vector<int64_t>{4, 7, 2, 9});
  EXPECT_EQ(*classes_of(Metric::top1, ranked, 0), (Classes{4, 2}));
  TaskScore top1(Metric::top1);
  top1.add({1, 0}, {1, 2});
  top1.add({1, 0}, {TaskScore::kAnyClass, 0});
  EXPECT_DOUBLE_EQ(top1.value(), 2.0 / 3);
}

struct LabelFolder {
  Scratch scratch;

  LabelFolder() { scratch.make_dir("labels"); }
  Labels open(Metric metric) const { return *Labels::open(scratch.path("labels"), metric, nullptr); }
  static Sample sample(const std::string& below) { return {{"calib/" + below}, 0, below}; }
};

TEST(Labels, HaveTheOutputsExtentsAndClasses) {
  LabelFolder f;
  const LabelForm form{{1, 2, 3}, 3};
  auto label = [&](const Tensor& tensor) {
    EXPECT_TRUE(write_npy(f.scratch.path("labels/x.npy"), tensor.view()).ok());
    auto classes = f.open(Metric::dice).of(f.sample("x.npy"), form);
    return classes.ok() ? std::string() : classes.error().text();
  };
  EXPECT_EQ(label(Tensor::from<int32_t>({2, 3}, std::vector<int32_t>{0, 1, 2, TaskScore::kAnyClass, 0, 0})), "");
  EXPECT_NE(label(Tensor::from<int32_t>({3, 2}, std::vector<int32_t>(6, 0))).find("has the shape [3,2]"),
            std::string::npos);
  EXPECT_NE(label(Tensor::from<int32_t>({2, 3}, std::vector<int32_t>{0, 0, 255, 0, 0, 0}))
                .find("element 2 is 255, the output has the classes 0 to 2 (-1: any is right)"),
            std::string::npos);
  EXPECT_NE(label(Tensor::from<float>({2, 3}, std::vector<float>{0, 0.5f, 0, 0, 0, 0})).find("element 1 is 0.5"),
            std::string::npos);
}

TEST(Labels, OfATableGoByThePath) {
  LabelFolder f;
  const LabelForm form{{1}, 9};
  f.scratch.write("labels/labels.csv", "a/0.npy,1\nb/0.npy,2\nfar/away/c.jpg,3\nd,12\n");
  const Labels labels = f.open(Metric::top1);
  EXPECT_EQ(*labels.of(f.sample("a/0.npy"), form), Classes{1});
  EXPECT_EQ(*labels.of(f.sample("set/b/0.png"), form), Classes{2});
  EXPECT_EQ(*labels.of(f.sample("c.jpg"), form), Classes{3});
  EXPECT_NE(labels.of(f.sample("0.npy"), form).error().text().find("the classes 1 and 2 for what may be 'calib/0.npy'"),
            std::string::npos);
  EXPECT_NE(labels.of(f.sample("e/0.npy"), form).error().text().find("has none for 'calib/e/0.npy'"),
            std::string::npos);
  EXPECT_NE(labels.of(f.sample("d.npy"), form).error().text().find("class 12"), std::string::npos);
  EXPECT_NE(labels.of(f.sample("c.jpg"), LabelForm{{4}, 9}).error().text().find("one class for 'calib/c.jpg'"),
            std::string::npos);
  f.scratch.write("labels/labels.csv", "0.npy,1\n0.png,2\n");
  EXPECT_NE(Labels::open(f.scratch.path("labels"), Metric::top1, nullptr).error().text().find("line 2 has class 2"),
            std::string::npos);
}

Result<std::vector<Detection>> boxes_in(std::span<const Tensor> outputs) {
  QL_TRY(const BoxForm form, box_form(outputs));
  return detections_of(outputs, form);
}

TEST(Detections, FromEveryFormOfOutputs) {
  // Two anchors on one face, one elsewhere, one that is background.
  const std::vector<float> corners = {0, 0, 4, 4, 0, 0, 4, 5, 8, 8, 9, 9, 2, 2, 3, 3};
  const std::vector<float> scores = {0.1f, 0.9f, 0.2f, 0.8f, 0.4f, 0.6f, 0.99f, 0.01f};
  std::vector<Tensor> outputs{Tensor::from<float>({1, 4, 2}, scores), Tensor::from<float>({1, 4, 4}, corners)};
  auto found = boxes_in(outputs);
  ASSERT_TRUE(found.ok()) << found.error().text();
  ASSERT_EQ(found->size(), 2u);  // the second overlaps the first
  EXPECT_EQ((*found)[0].score, 0.9f);
  EXPECT_EQ((*found)[1].x1, 8);

  std::vector<Tensor> rows{Tensor::from<float>({1, 1, 7}, std::vector<float>{5, 5, 2, 4, 0.5f, 0.2f, 0.8f})};
  found = boxes_in(rows);
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].kind, 1);
  EXPECT_FLOAT_EQ((*found)[0].score, 0.4f);
  EXPECT_EQ((*found)[0].y2, 7);
  EXPECT_TRUE(confident(*found).empty());

  std::vector<Tensor> none{Tensor::from<float>({1, 3}, std::vector<float>{1, 2, 3})};
  EXPECT_NE(box_form(none).error().text().find("no output holds boxes"), std::string::npos);
}

TEST(Detections, InColumnsAndOfOneClass) {
  // YOLOv8's: two classes, seven boxes of which the third counts.
  std::vector<float> columns(6 * 7, 0);
  for (const auto& [row, value] : std::map<size_t, float>{{0, 5}, {1, 6}, {2, 2}, {3, 4}, {5, 0.75f}})
    columns[row * 7 + 2] = value;
  const std::vector<Tensor> yolo8{Tensor::from<float>({1, 6, 7}, columns)};
  EXPECT_EQ(box_form(yolo8)->classes, 2);
  auto found = boxes_in(yolo8);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ((*found)[0].kind, 1);
  EXPECT_EQ((*found)[0].score, 0.75f);
  EXPECT_EQ((*found)[0].y1, 4);

  // Six numbers a box: the last is a class, or of a single class the probability.
  std::vector<float> six{1, 1, 3, 5, 0.5f, 7};
  found = boxes_in(std::vector<Tensor>{Tensor::from<float>({1, 1, 6}, six)});
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ((*found)[0].kind, 7);
  EXPECT_EQ((*found)[0].x2, 3);
  six[5] = 0.25f;
  const std::vector<Tensor> one_class{Tensor::from<float>({1, 1, 6}, six)};
  found = boxes_in(one_class);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ((*found)[0].kind, 0);
  EXPECT_FLOAT_EQ((*found)[0].score, 0.125f);
  EXPECT_EQ((*found)[0].x1, -0.5f);
  // What fp32 has decided stays: another network's outputs may depend on the data.
  EXPECT_EQ(
      detections_of(std::vector<Tensor>{Tensor::from<float>({1, 1, 6}, {1, 1, 3, 5, 0.5f, 1})}, *box_form(one_class))[0]
          .kind,
      0);
  EXPECT_TRUE(detections_of(std::vector<Tensor>{Tensor::from<float>({3}, {1, 2, 3})}, *box_form(one_class)).empty());
}

TEST(Detections, MeanAveragePrecision) {
  const Detection a{0, 0, 4, 4, 0, 0.9f}, near_a{0, 0, 4, 5, 0, 0.8f}, b{10, 10, 14, 14, 0, 0.7f},
      c{0, 0, 4, 4, 1, 0.6f};
  BoxScore all;
  all.add({a, b, c}, {a, b, c});
  EXPECT_DOUBLE_EQ(all.value(), 1);
  // Class 0: right, then wrong (met already), then right of two: 1/2 (1 + 2/3). Class 1: nothing found.
  BoxScore some;
  some.add({a, near_a, b}, {a, b, c});
  EXPECT_DOUBLE_EQ(some.value(), (0.5 * (1 + 2.0 / 3) + 0) / 2);
  EXPECT_DOUBLE_EQ(BoxScore().value(), 1);
}

TEST(DecisionBias, ClassesKeepTheirAreas) {
  // Scores of three classes; the other network adds noise and an offset.
  const std::vector<double> added = {0.05, -0.1, 0.05};
  std::vector<float> exact, shifted;
  uint32_t state = 1;
  auto random = [&] { return static_cast<double>((state = state * 1664525 + 1013904223) >> 8) / (1 << 24) - 0.5; };
  for (int i = 0; i < 3000; ++i)
    for (size_t c = 0; c < 3; ++c) {
      exact.push_back(static_cast<float>(4 * random()));
      shifted.push_back(static_cast<float>(exact.back() + added[c] + 0.02 * random()));
    }
  const std::vector<double> offset = area_offsets(exact, shifted, 3, 0.1);
  for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(offset[c], -added[c], 2e-3) << c;
}

}  // namespace
}  // namespace quadlane::tools
