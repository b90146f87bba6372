// quantize --max-drop and its reports, and compare --layers, as a user calls them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "graph/text.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/loader/model_builder.h"
#include "tests/tools/command.h"
#include "tools/cli/tensors.h"
#include "tools/io/npy.h"

namespace quadlane::tools {
namespace {

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
  const std::vector<double> others = mixed["accuracy"]["held_out_drop_95"];
  EXPECT_GT(others.at(0), 0);
  EXPECT_GT(others.at(1), others.at(0));
  EXPECT_NE(tight.out.find("on other inputs"), std::string::npos) << tight.out;
  EXPECT_NE(tight.out.find("stays in fp32"), std::string::npos) << tight.out;
  EXPECT_NE(read_file(f.scratch.path("r.html"))->find("<b>stays in fp32</b>"), std::string::npos);
  // Equal inputs, equal bytes.
  const std::string first = *read_file(f.scratch.path("int8.onnx"));
  f.quantize(cat("--max-drop ", bound, " --metric sqnr", files));
  EXPECT_TRUE(*read_file(f.scratch.path("int8.onnx")) == first);
}

// Equalized networks have the statistics of those that count for ranges at hand; those that chose and checked are
// added.
TEST(MaxDrop, RangesCountEveryInputOnce) {
  Fixture f;
  std::filesystem::copy(f.scratch.path("calib/0.npy"), f.scratch.path("calib/other.npy"));
  const CommandResult r = f.quantize("--for any --max-drop 100 --metric sqnr");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("calibrated on 13 inputs"), std::string::npos) << r.out;
}

TEST(Quantize, RefusesToReplaceWhatItReads) {
  Fixture f;
  const CommandResult r =
      quadlane(f.scratch, cat("quantize ", f.model, " --calib ", f.scratch.path("calib"), " -o ", f.model));
  EXPECT_NE(r.code, 0);
  EXPECT_NE(r.err.find("is read here"), std::string::npos) << r.err;
  EXPECT_EQ(f.quantize("").code, 0);  // still the model in fp32
  const CommandResult misspelt = f.quantize("--keep-f32 no_such_layer");
  EXPECT_NE(misspelt.err.find("there is no convolution or product 'no_such_layer'"), std::string::npos) << misspelt.err;
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
  const CommandResult good = f.quantize(cat("--max-drop 1 --metric dice --labels ", f.labels));
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_NE(good.out.find("dice of fp32: 0."), std::string::npos) << good.out;
  EXPECT_NE(
      f.quantize(cat("--max-drop 1 --metric dice --labels ", f.scratch.make_dir("none"))).err.find("has none for"),
      std::string::npos);
  CommandResult shape = f.quantize(cat("--max-drop 1 --metric top1 --labels ", f.labels));
  EXPECT_NE(shape.err.find("has the shape [16,16], the output's classes [1]"), std::string::npos) << shape.err;
  f.scratch.write("labels/labels.csv", "1,2\n5,zero\n");
  EXPECT_NE(f.quantize(cat("--max-drop 1 --metric top1 --labels ", f.labels)).err.find("line 2 is not NAME,CLASS"),
            std::string::npos);
}

// Against fp32 three classes that stay say little, and by how much they are ahead says more; labels are right or wrong.
TEST(MaxDrop, ClassesThatNearlyChangedCount) {
  Fixture f;
  const std::string ask = cat("--max-drop 1 --metric top1 --json ", f.scratch.path("r.json"));
  const CommandResult r = f.quantize(ask);
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("expected by how far scores moved"), std::string::npos) << r.out;
  const double expected = f.json("r.json")["accuracy"]["int8"]["tuning"]["expected_drop"];
  EXPECT_GT(expected, 0);
  EXPECT_LT(expected, 1);
  const CommandResult tighter = f.quantize(cat("--max-drop ", expected / 2, " --metric top1 --max-f32 0"));
  EXPECT_NE(tighter.err.find("no assignment found meets a top1 drop"), std::string::npos) << tighter.err;
  std::string labels;
  for (int i = 0; i < 12; ++i) labels += cat(i, ",", i % 3, "\n");
  f.scratch.write("labels/labels.csv", labels);
  const CommandResult labelled = f.quantize(cat(ask, " --labels ", f.labels));
  ASSERT_EQ(labelled.code, 0) << labelled.err;
  EXPECT_FALSE(f.json("r.json")["accuracy"]["int8"]["tuning"].contains("expected_drop"));
}

TEST(MaxDrop, BoxesAreComparedWithThoseOfFp32) {
  Scratch scratch;
  auto graph = parse_graph(R"(graph "net"
input %image: f32[1,1,8,8]
const %w1: f32[6,1,3,3] = random(1)
const %shape: s64[3] = {1,64,6}
%a: f32[1,6,8,8] = Conv(%image, %w1) name="first" pads=[1,1,1,1]
%b: f32[1,6,8,8] = Sigmoid(%a) name="sigmoid"
%t: f32[1,8,8,6] = Transpose(%b) name="last" perm=[0,2,3,1]
%boxes: f32[1,64,6] = Reshape(%t, %shape) name="rows"
output %boxes
)",
                           op_table());
  ASSERT_TRUE(save_onnx(*graph, scratch.path("net.onnx")).ok());
  const std::string calib = scratch.make_dir("calib");
  for (int i = 0; i < 9; ++i)
    EXPECT_TRUE(
        write_npy(scratch.path(cat("calib/", i, ".npy")), random_tensor({DType::f32, {1, 1, 8, 8}}, i)->view()).ok());
  const std::string base = cat("quantize ", scratch.path("net.onnx"), " --calib ", calib, " -o ",
                               scratch.path("q.onnx"), " --max-drop 1 --metric map");
  CommandResult r = quadlane(scratch, base);
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("map drop: int8"), std::string::npos) << r.out;
  const std::string labels = scratch.make_dir("labels");
  EXPECT_NE(quadlane(scratch, cat(base, " --labels ", labels)).err.find("has no boxes for"), std::string::npos);
  for (int i = 0; i < 9; ++i) scratch.write(cat("labels/", i, ".csv"), "0,0.1,0.1,0.9,0.9\n");
  r = quadlane(scratch, cat(base, " --labels ", labels));
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out.find("note: fp32 itself"), std::string::npos) << r.out;
  for (int i = 0; i < 9; ++i) scratch.write(cat("labels/", i, ".csv"), "0,90.1,90.1,90.9,90.9\n");
  r = quadlane(scratch, cat(base, " --labels ", labels));
  EXPECT_NE(r.out.find("note: fp32 itself has a map of 0 by"), std::string::npos) << r.out;
  scratch.write("labels/3.csv", "3,0.1,0.1,0.9,0.9\n");
  EXPECT_NE(quadlane(scratch, cat(base, " --labels ", labels)).err.find("has a box of class 3, the output has the"),
            std::string::npos);
  scratch.write("labels/3.csv", "0,0.1,0.1,0.9\n");
  EXPECT_NE(quadlane(scratch, cat(base, " --labels ", labels)).err.find("line 1 is not CLASS,X1,Y1,X2,Y2"),
            std::string::npos);
}

// A detector that picks its boxes itself, [1, n, 6]: n depends on the data. What the choice is made of is measured, and
// boxes are compared.
TEST(Quantize, MeasuresResultsWithoutAShape) {
  Scratch scratch;
  std::vector<float> weights;
  for (int i = 0; i < 6 * 3 * 9; ++i) weights.push_back(static_cast<float>(i * 37 % 23) * 0.1f - 1);
  testing::ModelBuilder b(17);
  b.input("x", {1, 3, 8, 8}).floats("w", {6, 3, 3, 3}, weights).floats("limit", {}, {0.6f});
  b.ints("shape", {64, 6}).ints("first", {0}).ints("fourth", {4});
  b.node("Conv", {"x", "w"}, {"map"}, {testing::attribute("pads", std::vector<int64_t>{1, 1, 1, 1})}, "conv");
  b.node("Sigmoid", {"map"}, {"numbers"})
      .node("Transpose", {"numbers"}, {"turned"}, {testing::attribute("perm", std::vector<int64_t>{0, 2, 3, 1})});
  b.node("Reshape", {"turned", "shape"}, {"rows"})
      .node("Gather", {"rows", "fourth"}, {"scores"}, {testing::attribute("axis", int64_t{1})});
  b.node("Greater", {"scores", "limit"}, {"above"}).node("NonZero", {"above"}, {"where"});
  b.node("Gather", {"where", "first"}, {"at"}).node("Squeeze", {"at", "first"}, {"chosen"});
  b.node("Gather", {"rows", "chosen"}, {"boxes"}).node("Unsqueeze", {"boxes", "first"}, {"found"});
  b.output("found");
  scratch.write("dynamic.onnx", b.bytes());
  const std::string calib = scratch.make_dir("calib");
  for (uint64_t i = 0; i < 8; ++i)
    EXPECT_TRUE(
        write_npy(scratch.path(cat("calib/", i, ".npy")), random_tensor({DType::f32, {1, 3, 8, 8}}, i)->view()).ok());
  const std::string base = cat("quantize ", scratch.path("dynamic.onnx"), " --calib ", calib, " -o ",
                               scratch.path("q.onnx"), " --json ", scratch.path("r.json"), " --max-drop 0.9 ");
  for (const char* what : {"--method auto", "--metric map"}) {
    const CommandResult r = quadlane(scratch, base + what);
    ASSERT_EQ(r.code, 0) << r.err;
    const nlohmann::json json = nlohmann::json::parse(*read_file(scratch.path("r.json")));
    if (json.contains("auto")) {
      EXPECT_LT(json["auto"]["sqnr_db"], 100) << r.out;
    }
    EXPECT_LT(json["output_sqnr_db"], 100) << r.out;
    EXPECT_GT(json["accuracy"]["int8"]["tuning"]["noise"], 0);
    EXPECT_NE(json["accuracy"]["int8"]["tuning"]["drop"], 0) << r.out;
  }
}

TEST(Quantize, AutoSaysWhereNothingCanBeMeasured) {
  Scratch scratch;
  auto graph = parse_graph(R"(graph "net"
input %x: f32[1,1,8,8]
const %w: f32[3,1,3,3] = random(1)
%a: f32[1,3,8,8] = Conv(%x, %w) name="first" pads=[1,1,1,1]
%classes: s64[1,1,8,8] = ArgMax(%a) name="class" axis=1
output %classes
)",
                           op_table());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  ASSERT_TRUE(save_onnx(*graph, scratch.path("net.onnx")).ok());
  const std::string calib = scratch.make_dir("calib");
  for (uint64_t i = 0; i < 4; ++i)
    EXPECT_TRUE(
        write_npy(scratch.path(cat("calib/", i, ".npy")), random_tensor({DType::f32, {1, 1, 8, 8}}, i)->view()).ok());
  const CommandResult r = quadlane(scratch, cat("quantize ", scratch.path("net.onnx"), " --calib ", calib, " -o ",
                                                scratch.path("q.onnx"), " --method auto"));
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("share of classes that differ"), std::string::npos) << r.out;
}

// Channels of a sum unlike enough to be equalized, and outliers that no score sees: at odd pixels, between those read.
// So other ranges than minmax are chosen, and from statistics of the network as it was or of the equalized one.
struct ResidualFixture {
  Scratch scratch;
  std::string model, calib;

  ResidualFixture() {
    auto graph = parse_graph(R"(graph "residual"
input %image: f32[1,4,64,64]
const %w1: f32[4,4,1,1] = random(1)
const %w2: f32[4,4,1,1] = random(2)
const %w3: f32[3,4,1,1] = random(3)
const %unlike: f32[4,1,1] = {0.03,0.4,3,20}
%a: f32[1,4,64,64] = Conv(%image, %w1) name="first"
%b: f32[1,4,64,64] = Mul(%a, %unlike) name="unlike"
%c: f32[1,4,64,64] = Conv(%image, %w2) name="second"
%d: f32[1,4,64,64] = Mul(%c, %unlike) name="unlike2"
%sum: f32[1,4,64,64] = Add(%b, %d) name="sum"
%e: f32[1,4,64,64] = Relu(%sum) name="relu"
%scores: f32[1,3,32,32] = Conv(%e, %w3) name="last" strides=[2,2]
output %scores
)",
                             op_table());
    model = scratch.path("residual.onnx");
    EXPECT_TRUE(save_onnx(*graph, model).ok());
    calib = scratch.make_dir("calib");
    std::mt19937 random(1);
    std::uniform_real_distribution<float> pixel(-1, 1);
    for (int i = 0; i < 12; ++i) {
      Tensor image = *Tensor::allocate({DType::f32, {1, 4, 64, 64}});
      std::generate_n(image.mutate<float>(), image.count(), [&] { return pixel(random); });
      for (int channel = 0; channel < 4; ++channel) image.mutate<float>()[channel * 4096 + 65] = 20;
      EXPECT_TRUE(write_npy(scratch.path(cat("calib/", i, ".npy")), image.view()).ok());
    }
  }
};

TEST(Quantize, WhatAutoChoosesIsWhatTheChosenMethodGives) {
  ResidualFixture f;
  auto quantized = [&](const std::string& more) {  // but for the statistics' hash: minmax takes no histograms
    const std::string file = f.scratch.path("int8.onnx");
    EXPECT_EQ(quadlane(f.scratch, cat("quantize ", f.model, " --calib ", f.calib, " -o ", file, " ", more)).code, 0);
    std::string bytes = *read_file(file);
    EXPECT_NE(bytes.find("_equalized"), std::string::npos) << "the statistics could not have been others";
    const size_t hash = bytes.find("calibration_sha256");
    EXPECT_NE(hash, std::string::npos);
    return bytes.erase(hash, 100);
  };
  const std::string report = f.scratch.path("r.json");
  const std::string written = quantized("--method auto --rounding nearest --json " + report);
  const nlohmann::json chosen = nlohmann::json::parse(*read_file(report))["auto"];
  ASSERT_TRUE(chosen["values"].empty()) << "a mixture was chosen: " << chosen.dump();
  ASSERT_NE(chosen["base"], "minmax") << chosen.dump();
  EXPECT_TRUE(written == quantized(cat("--method ", chosen["base"].get<std::string>()))) << chosen["base"];
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
