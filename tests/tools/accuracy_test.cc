// quantize --max-drop and its reports, and compare --layers, as a user calls them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "graph/text.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/accuracy/task_score.h"
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

// Three convolutions to classes of pixels, twelve inputs and their labels.
struct Fixture {
  Scratch scratch;
  std::string model, calib, labels;

  Fixture() {
    auto graph = parse_graph(R"(graph "net"
input %image: f32[1,1,16,16]
const %w1: f32[8,1,3,3] = random(1)
const %w2: f32[8,8,3,3] = random(2)
const %w3: f32[3,8,1,1] = random(3)
%a: f32[1,8,16,16] = Conv(%image, %w1) name="first" pads=[1,1,1,1]
%b: f32[1,8,16,16] = Relu(%a) name="relu"
%c: f32[1,8,16,16] = Conv(%b, %w2) name="second" pads=[1,1,1,1]
%d: f32[1,8,16,16] = Relu(%c) name="relu2"
%scores: f32[1,3,16,16] = Conv(%d, %w3) name="last"
output %scores
)",
                             op_table());
    model = scratch.path("net.onnx");
    EXPECT_TRUE(save_onnx(*graph, model).ok());
    calib = scratch.make_dir("calib");
    labels = scratch.make_dir("labels");
    uint32_t state = 1;
    for (int i = 0; i < 12; ++i) {
      Tensor image = *Tensor::allocate({DType::f32, {1, 1, 16, 16}});
      for (int64_t e = 0; e < 256; ++e) {
        state = state * 1664525 + 1013904223;
        image.mutate<float>()[e] = static_cast<float>(state >> 16) / 32768 - 1;
      }
      EXPECT_TRUE(write_npy(scratch.path(cat("calib/", i, ".npy")), image.view()).ok());
      Tensor label = Tensor::from<int32_t>({16, 16}, std::vector<int32_t>(256, i % 3));
      EXPECT_TRUE(write_npy(scratch.path(cat("labels/", i, ".npy")), label.view()).ok());
    }
  }
  CommandResult quantize(const std::string& more) const {
    return quadlane(scratch, cat("quantize ", model, " --calib ", calib, " -o ", scratch.path("int8.onnx"), " ", more));
  }
  nlohmann::json json(const char* name) const { return nlohmann::json::parse(*read_file(scratch.path(name))); }
};

TEST(MaxDrop, KeepsTheFewestLayersAndReportsThem) {
  Fixture f;
  const std::string files = cat(" --json ", f.scratch.path("r.json"), " --html ", f.scratch.path("r.html"));
  CommandResult loose = f.quantize("--max-drop 0.5 --metric sqnr" + files);
  ASSERT_EQ(loose.code, 0) << loose.err;
  nlohmann::json all = f.json("r.json");
  EXPECT_TRUE(all["accuracy"]["kept"].empty());
  EXPECT_EQ(all["layers"].size(), 3u);
  EXPECT_EQ(all["accuracy"]["inputs"]["held_out"], 3);

  const double bound = all["accuracy"]["int8"]["tuning"]["drop"].get<double>() * 0.9;
  CommandResult tight = f.quantize(cat("--max-drop ", bound, " --metric sqnr", files));
  ASSERT_EQ(tight.code, 0) << tight.err;
  nlohmann::json mixed = f.json("r.json");
  EXPECT_GE(mixed["accuracy"]["kept"].size(), 1u);
  EXPECT_LE(mixed["accuracy"]["mixed"]["held_out"]["drop"].get<double>(), bound);
  EXPECT_EQ(mixed["accuracy"]["ranking"].size(), 3u);
  EXPECT_NE(tight.out.find("stays in fp32"), std::string::npos) << tight.out;
  EXPECT_NE(read_file(f.scratch.path("r.html"))->find("<b>stays in fp32</b>"), std::string::npos);
  // Equal inputs, equal bytes.
  const std::string first = *read_file(f.scratch.path("int8.onnx"));
  f.quantize(cat("--max-drop ", bound, " --metric sqnr", files));
  EXPECT_TRUE(*read_file(f.scratch.path("int8.onnx")) == first);
}

TEST(MaxDrop, SaysWhatWasReachedWhereTheBoundCannotBeMet) {
  Fixture f;
  CommandResult r = f.quantize("--max-drop 0 --metric sqnr --max-f32 1");
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.err.find("no assignment found meets a sqnr drop of 0: the best reached is"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("with 1 of 3 layers in fp32"), std::string::npos) << r.err;
  EXPECT_FALSE(exists(f.scratch.path("int8.onnx")));
}

TEST(MaxDrop, LabelsMustFitTheSamples) {
  Fixture f;
  EXPECT_EQ(f.quantize(cat("--max-drop 1 --metric dice --labels ", f.labels)).code, 0);
  EXPECT_NE(
      f.quantize(cat("--max-drop 1 --metric dice --labels ", f.scratch.make_dir("none"))).err.find("has none for"),
      std::string::npos);
  CommandResult shape = f.quantize(cat("--max-drop 1 --metric top1 --labels ", f.labels));
  EXPECT_NE(shape.err.find("has 256 elements, the output has 1"), std::string::npos) << shape.err;
  f.scratch.write("labels/labels.csv", "1,2\n5,zero\n");
  EXPECT_NE(f.quantize(cat("--max-drop 1 --metric top1 --labels ", f.labels)).err.find("line 2 is not NAME,CLASS"),
            std::string::npos);
}

TEST(CompareLayers, ShowsWhereInt8Diverges) {
  Fixture f;
  ASSERT_EQ(f.quantize("").code, 0);
  const std::string arguments = cat("compare ", f.model, " --layers --also ", f.scratch.path("int8.onnx"), " --input ",
                                    f.scratch.path("calib/3.npy"), " --json ", f.scratch.path("l.json"));
  CommandResult r = quadlane(f.scratch, arguments);
  ASSERT_EQ(r.code, 0) << r.err;
  nlohmann::json layers = f.json("l.json")["layers"];
  std::map<std::string, double> db;
  for (const auto& layer : layers) db[layer["name"]] = layer["sqnr_db"];
  EXPECT_EQ(db.size(), 3u) << layers.dump(1);
  for (const auto& [name, value] : db) EXPECT_GT(value, 25) << name;
  CommandResult same = quadlane(
      f.scratch, cat("compare ", f.model, " --layers --also ", f.model, " --input ", f.scratch.path("calib/3.npy")));
  EXPECT_NE(same.out.find("equal"), std::string::npos) << same.out << same.err;
}

}  // namespace
}  // namespace quadlane::tools
