// Models whose input shapes are open, on the command line: shapes come from the inputs given, and stay open in what
// `quantize` writes.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "graph/generalize.h"
#include "graph/text.h"
#include "loader/onnx_model.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/io/npy.h"

namespace quadlane::tools {
namespace {

std::string save(const Scratch& scratch, const std::string& name, const std::string& text, OpenDims dims) {
  auto graph = parse_graph(text, op_table());
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  SaveOptions options;
  options.dims = std::move(dims);
  EXPECT_TRUE(save_onnx(*graph, scratch.path(name), options).ok());
  return scratch.path(name);
}

// Convolutions around a Reshape and a Resize, both of them with constants that depend on the image's size.
std::string open_net(const Scratch& scratch) {
  const Dim n{kOpenExtent, "N"}, h{kOpenExtent, "H"}, w{kOpenExtent, "W"};
  return save(scratch, "open.onnx", R"(graph "net"
input %image: f32[1,1,16,16]
const %w1: f32[8,1,3,3] = random(1)
const %w2: f32[4,8,1,1] = random(2)
const %scales: f32[4] = {1, 1, 2, 2}
%a: f32[1,8,16,16] = Conv(%image, %w1) name="first" pads=[1,1,1,1]
%b: f32[1,8,16,16] = Relu(%a) name="relu"
%c: f32[1,8,32,32] = Resize(%b, _, %scales) name="up" mode="nearest"
%scores: f32[1,4,32,32] = Conv(%c, %w2) name="last"
output %scores
)",
              {{"image", {n, {1, {}}, h, w}}, {"scores", {n, {4, {}}, {kOpenExtent, {}}, {kOpenExtent, {}}}}});
}

std::string write_input(const Scratch& scratch, const std::string& name, Shape shape) {
  Tensor tensor = *Tensor::allocate({DType::f32, std::move(shape)});
  for (int64_t i = 0; i < tensor.count(); ++i) tensor.mutate<float>()[i] = static_cast<float>(i % 17) / 16;
  EXPECT_TRUE(write_npy(scratch.path(name), tensor.view()).ok());
  return scratch.path(name);
}

TEST(OpenShapes, RunTakesThemFromTheInput) {
  Scratch scratch;
  const std::string net = open_net(scratch);
  for (const Shape& shape : {Shape{1, 1, 16, 16}, {3, 1, 10, 24}}) {
    CommandResult r = quadlane(scratch, cat("run ", net, " --no-tune --input ", write_input(scratch, "x.npy", shape),
                                            " --output-dir ", scratch.path("out")));
    ASSERT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(read_npy(scratch.path("out/scores.npy"))->shape(), (Shape{shape[0], 4, 2 * shape[2], 2 * shape[3]}));
  }
  CommandResult r = quadlane(scratch, cat("run ", net, " --input ", write_input(scratch, "x.npy", {1, 2, 16, 16}),
                                          " --output-dir ", scratch.path("out")));
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.err.find("input 'image' is f32[N,1,H,W], "), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("holds f32[1,2,16,16]"), std::string::npos) << r.err;
}

TEST(OpenShapes, BenchAndInspectNameWhatIsMissing) {
  Scratch scratch;
  const std::string net = open_net(scratch);
  for (const char* verb : {"bench ", "inspect "}) {
    CommandResult r = quadlane(scratch, cat(verb, net));
    EXPECT_EQ(r.code, 1);
    EXPECT_NE(
        r.err.find("not fixed: dimensions 2 'H' and 3 'W' of input 'image' f32[N,1,H,W]; give shapes, for example "
                   "image=1x1x224x224"),
        std::string::npos)
        << r.err;
  }
  CommandResult r = quadlane(
      scratch,
      cat("bench ", net, " --no-tune --seconds 0.05 --batch 2 --dim H=12 --dim W=20 --json ", scratch.path("b.json")));
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(nlohmann::json::parse(*read_file(scratch.path("b.json")))["batch"], 2);
  r = quadlane(scratch,
               cat("bench ", net, " --no-tune --seconds 0.05 --input ", write_input(scratch, "x.npy", {1, 1, 8, 9})));
  EXPECT_EQ(r.code, 0) << r.err;
}

TEST(OpenShapes, QuantizeKeepsThemOpen) {
  Scratch scratch;
  const std::string net = open_net(scratch), folder = scratch.make_dir("calib");
  write_input(scratch, "calib/0.npy", {1, 1, 16, 16});
  write_input(scratch, "calib/1.npy", {1, 1, 12, 30});  // calibration inputs may differ in size
  write_input(scratch, "calib/2.npy", {4, 1, 16, 16});
  for (const char* form : {"quadlane", "any"}) {
    CommandResult r = quadlane(
        scratch, cat("quantize ", net, " --calib ", folder, " --for ", form, " -o ", scratch.path("int8.onnx")));
    ASSERT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(r.out.find("note: the file's input shapes"), std::string::npos) << r.out;
    auto written = OnnxModel::read(scratch.path("int8.onnx"));
    ASSERT_TRUE(written.ok());
    EXPECT_EQ(to_string(written->inputs()[0]), "f32[N,1,H,W]");
    r = quadlane(scratch, cat("run ", scratch.path("int8.onnx"), " --no-tune --input ",
                              write_input(scratch, "x.npy", {2, 1, 10, 14}), " --output-dir ", scratch.path("out")));
    ASSERT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(read_npy(scratch.path("out/scores.npy"))->shape(), (Shape{2, 4, 20, 28}));
  }
  CommandResult r = quadlane(scratch, cat("quantize ", net, " --shape image=1x1x16x16 --calib ",
                                          scratch.path("calib/0.npy"), " -o ", scratch.path("fixed.onnx")));
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(to_string(OnnxModel::read(scratch.path("fixed.onnx"))->inputs()[0]), "f32[1,1,16,16]");
}

// What was asked for beats the first sample's extents.
// Up to the size of the map it is joined with, of odd extents too: no scale says that.
TEST(OpenShapes, QuantizeKeepsSizesOfAnotherMap) {
  Scratch scratch;
  auto network = [](int64_t h, int64_t w) {
    const std::string full = cat(h, ",", w), half = cat((h + 1) / 2, ",", (w + 1) / 2);
    auto graph = parse_graph(cat(R"(graph "net"
const %w1: f32[4,1,3,3] = random(1)
const %w2: f32[4,4,3,3] = random(2)
const %w3: f32[2,8,1,1] = random(3)
input %image: f32[1,1,)",
                                 full, R"(]
const %sizes: s64[4] = {1, 4, )",
                                 h, ", ", w, R"(}
%a = Conv(%image, %w1) name="first" pads=[1,1,1,1]
%b = Conv(%a, %w2) name="down" pads=[1,1,1,1] strides=[2,2]
%c = Resize(%b, _, _, %sizes) name="up" mode="linear"
%d = Concat(%a, %c) name="join" axis=1
%y = Conv(%d, %w3) name="last"
output %y
)"),
                             op_table());
    EXPECT_TRUE(graph.ok()) << graph.error().text();
    return *std::move(graph);
  };
  auto open = generalize(network(17, 12), network(34, 36));
  ASSERT_TRUE(open.ok()) << open.error().text();
  const Dim h{kOpenExtent, "H"}, w{kOpenExtent, "W"};
  SaveOptions options;
  options.dims = {{"image", {{1, {}}, {1, {}}, h, w}}, {"y", {{1, {}}, {2, {}}, h, w}}};
  ASSERT_TRUE(save_onnx(*open, scratch.path("net.onnx"), options).ok());
  write_input(scratch, "x.npy", {1, 1, 17, 12});
  const CommandResult q = quadlane(scratch, cat("quantize ", scratch.path("net.onnx"), " --calib ",
                                                scratch.path("x.npy"), " -o ", scratch.path("int8.onnx")));
  ASSERT_EQ(q.code, 0) << q.err;
  EXPECT_EQ(q.out.find("input shapes are those"), std::string::npos) << q.out;
  for (const Shape& shape : {Shape{1, 1, 17, 12}, {1, 1, 9, 31}}) {
    const CommandResult r =
        quadlane(scratch, cat("run ", scratch.path("int8.onnx"), " --no-tune --input ",
                              write_input(scratch, "x.npy", shape), " --output-dir ", scratch.path("out")));
    ASSERT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(read_npy(scratch.path("out/y.npy"))->shape(), (Shape{1, 2, shape[2], shape[3]}));
  }
}

TEST(OpenShapes, QuantizeTakesTheBatchAsked) {
  Scratch scratch;
  const std::string net = open_net(scratch), folder = scratch.make_dir("calib");
  write_input(scratch, "calib/0.npy", {4, 1, 16, 16});
  write_input(scratch, "calib/1.npy", {1, 1, 16, 16});
  const std::string base = cat("quantize ", net, " --calib ", folder, " -o ", scratch.path("int8.onnx"));
  CommandResult r = quadlane(scratch, base + " --batch 2");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(to_string(OnnxModel::read(scratch.path("int8.onnx"))->inputs()[0]), "f32[2,1,H,W]");
  r = quadlane(scratch, base + " --dim N=1");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(to_string(OnnxModel::read(scratch.path("int8.onnx"))->inputs()[0]), "f32[1,1,H,W]");
}

// Nothing is measured on inputs of another shape than the first has, and that is said.
TEST(OpenShapes, MeasuresOnInputsOfOneShape) {
  Scratch scratch;
  const std::string net = open_net(scratch), folder = scratch.make_dir("calib");
  for (int i = 0; i < 8; ++i) write_input(scratch, cat("calib/", i, ".npy"), {i < 2 ? 2 : 1, 1, i % 2 ? 12 : 16, 16});
  const std::string base = cat("quantize ", net, " --calib ", folder, " -o ", scratch.path("int8.onnx"), " --json ",
                               scratch.path("r.json"), " ");
  for (const char* what : {"--method auto", "--max-drop 0.5", "--rounding adaptive"}) {
    const CommandResult r = quadlane(scratch, base + what);
    ASSERT_EQ(r.code, 0) << what << ": " << r.err;
    EXPECT_NE(r.out.find("note: 4 of 8 calibration samples have another shape than f32[1,1,16,16]: ranges count them"),
              std::string::npos)
        << r.out;
    const auto json = nlohmann::json::parse(*read_file(scratch.path("r.json")));
    EXPECT_GT(json["output_sqnr_db"], 20) << what;
    if (json.contains("auto")) {
      EXPECT_EQ(json["auto"]["measured_on"], 5);  // inputs, of four files
    }
  }
  const CommandResult none = quadlane(scratch, base + "--method auto --dim H=20");
  EXPECT_NE(none.err.find("8 of 8 calibration samples have another shape than f32[1,1,20,16], none can be measured on"),
            std::string::npos)
      << none.err;
}

// Steps on the scalar reference that do most of the work are named, with their share.
TEST(Bench, WarnsOfFallbacks) {
  Scratch scratch;
  const std::string arguments = cat("bench ", open_net(scratch),
                                    " --dim H=32 --dim W=32 --no-tune --seconds 0.05 --json ", scratch.path("b.json"));
  CommandResult r = quadlane(scratch, arguments + " --isa reference");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.err.find(" % of the time goes to steps that no kernel exists for: "), std::string::npos) << r.err;
  auto json = nlohmann::json::parse(*read_file(scratch.path("b.json")));
  EXPECT_GT(json["fallbacks"]["share"], 0.5);
  EXPECT_NE(r.err.find("ql.Conv 'first'"), std::string::npos) << r.err;
  r = quadlane(scratch, arguments);
  EXPECT_EQ(r.err.find("no kernel exists for"), std::string::npos) << r.err;
  json = nlohmann::json::parse(*read_file(scratch.path("b.json")));
  EXPECT_EQ(json["fallbacks"]["steps"].size(), 0u);
  EXPECT_GT(json["cpu_ms"], 0);
}

}  // namespace
}  // namespace quadlane::tools
