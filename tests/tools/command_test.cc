// The command as a user meets it: exit codes, one-line errors, files written or not written.
#include "tests/tools/command.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/base/sha256.h"
#include "graph/text.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tools/io/nifti.h"
#include "tools/io/npy.h"

namespace quadlane::tools {
namespace {

void expect_failure(const Scratch& scratch, const std::string& arguments, std::vector<std::string> parts) {
  CommandResult r = quadlane(scratch, arguments);
  EXPECT_GT(r.code, 0) << arguments;
  // Notes may precede; the error itself is one line and the last.
  size_t before = r.err.size() < 2 ? std::string::npos : r.err.rfind('\n', r.err.size() - 2);
  std::string last = before == std::string::npos ? r.err : r.err.substr(before + 1);
  EXPECT_EQ(last.rfind("quadlane: ", 0), 0u) << arguments << "\n" << r.err;
  for (const std::string& part : parts) EXPECT_NE(r.err.find(part), std::string::npos) << arguments << "\n" << r.err;
}

// Saves a graph given as text.
std::string save(const Scratch& scratch, const std::string& name, const std::string& text) {
  auto graph = parse_graph(text, op_table());
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(save_onnx(*graph, scratch.path(name)).ok());
  return scratch.path(name);
}

std::string small_net(const Scratch& scratch) {
  return save(scratch, "net.onnx", R"(graph "net"
input %image: f32[1,1,16,16]
const %w1: f32[8,1,3,3] = random(1)
const %w2: f32[4,8,1,1] = random(2)
%a: f32[1,8,16,16] = Conv(%image, %w1) name="first" pads=[1,1,1,1]
%b: f32[1,8,16,16] = Relu(%a) name="relu"
%scores: f32[1,4,16,16] = Conv(%b, %w2) name="last"
output %scores
)");
}

std::string write_input(const Scratch& scratch, const std::string& name, Shape shape) {
  Tensor tensor = *Tensor::allocate({DType::f32, shape});
  for (int64_t i = 0; i < tensor.count(); ++i) tensor.mutate<float>()[i] = static_cast<float>(i % 17) / 16;
  EXPECT_TRUE(write_npy(scratch.path(name), tensor.view()).ok());
  return scratch.path(name);
}

std::string calibration_folder(const Scratch& scratch) {
  std::string folder = scratch.make_dir("calib");
  for (int i = 0; i < 3; ++i) write_input(scratch, cat("calib/", i, ".npy"), {1, 1, 16, 16});
  return folder;
}

TEST(Command, HelpAndVersionSucceed) {
  Scratch scratch;
  for (const char* verb : {"", "run", "quantize", "bench", "inspect", "verify", "segment"}) {
    CommandResult r = quadlane(scratch, cat(verb, " --help"));
    EXPECT_EQ(r.code, 0) << verb;
    EXPECT_NE(r.out.find("--help"), std::string::npos) << verb;
  }
  EXPECT_EQ(quadlane(scratch, "--version").code, 0);
}

TEST(Command, WrongUseIsExitCodeTwo) {
  Scratch scratch;
  for (const char* arguments : {"", "frobnicate", "run", "bench x.onnx --streams", "bench x.onnx --precision int9"}) {
    CommandResult r = quadlane(scratch, arguments);
    EXPECT_EQ(r.code, 2) << arguments;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  }
  EXPECT_NE(quadlane(scratch, "frobnicate").err.find("'frobnicate'"), std::string::npos);
}

TEST(Command, RunWritesEveryOutput) {
  Scratch scratch;
  std::string net = small_net(scratch), input = write_input(scratch, "x.npy", {1, 1, 16, 16});
  CommandResult r =
      quadlane(scratch, cat("run ", net, " --input image=", input, " --output-dir ", scratch.path("out")));
  ASSERT_EQ(r.code, 0) << r.err;
  auto scores = read_npy(scratch.path("out/scores.npy"));
  ASSERT_TRUE(scores.ok());
  EXPECT_EQ(scores->shape(), (Shape{1, 4, 16, 16}));
  // The same from verify's point of view.
  std::string set = scratch.make_dir("data/test_data_set_0");
  std::filesystem::copy(input, set + "/input_0.npy");
  std::filesystem::copy(scratch.path("out/scores.npy"), set + "/output_0.npy");
  EXPECT_EQ(
      quadlane(scratch, cat("verify ", net, " --isa reference --data ", scratch.path("data"), " --atol 1e-5")).code, 0);
  write_npy(set + "/output_0.npy", Tensor::allocate({DType::f32, {1, 4, 16, 16}})->view()).ok();
  expect_failure(scratch, cat("verify ", net, " --data ", scratch.path("data")), {"1 of 1 outputs differ"});
}

TEST(Command, RunsEachSampleOfAFolder) {
  Scratch scratch;
  const std::string net = small_net(scratch);
  scratch.make_dir("in/b");
  write_input(scratch, "in/a.npy", {1, 1, 16, 16});
  write_input(scratch, "in/b/input_0.npy", {1, 1, 16, 16});
  const CommandResult r =
      quadlane(scratch, cat("run ", net, " --each ", scratch.path("in"), " --output-dir ", scratch.path("out")));
  ASSERT_EQ(r.code, 0) << r.err;
  for (const char* sample : {"a", "b"}) {
    auto scores = read_npy(scratch.path(cat("out/", sample, "/scores.npy")));
    ASSERT_TRUE(scores.ok()) << sample;
    EXPECT_EQ(scores->shape(), (Shape{1, 4, 16, 16}));
    EXPECT_NE(r.out.find(cat("\n", sample)), std::string::npos) << r.out;
  }
  // a.npy and a/: one folder cannot hold both.
  scratch.make_dir("in/a");
  write_input(scratch, "in/a/input_0.npy", {1, 1, 16, 16});
  expect_failure(scratch, cat("run ", net, " --each ", scratch.path("in"), " --output-dir ", scratch.path("out")),
                 {"a.npy", "would both be written to"});
  expect_failure(scratch, cat("run ", net, " --each ", scratch.path("in"), " --input ", scratch.path("in/a.npy")),
                 {"--each"});
}

TEST(Command, QuantizeBenchInspect) {
  Scratch scratch;
  std::string net = small_net(scratch), calib = calibration_folder(scratch), out = scratch.path("int8.onnx");
  CommandResult r = quadlane(
      scratch, cat("quantize ", net, " --calib ", calib, " -o ", out, " --save-stats ", scratch.path("stats")));
  ASSERT_EQ(r.code, 0) << r.err;
  CommandResult again =
      quadlane(scratch, cat("quantize ", net, " --calib ", scratch.path("stats"), " -o ", scratch.path("again.onnx")));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(*read_file(out), *read_file(scratch.path("again.onnx")));  // saved statistics are as good as the inputs
  EXPECT_EQ(
      quadlane(scratch, cat("quantize ", net, " --for any --calib ", calib, " -o ", scratch.path("any.onnx"))).code, 0);

  CommandResult bench = quadlane(scratch, cat("bench ", out, " --seconds 0.05 --streams 2 --json ",
                                              scratch.path("b.json"), " --csv ", scratch.path("b.csv")));
  ASSERT_EQ(bench.code, 0) << bench.err;
  auto json = nlohmann::json::parse(*read_file(scratch.path("b.json")));
  for (const char* key : {"throughput_fps", "first_inference_ms", "compile_ms", "gmac", "gmac_executed", "gmac_per_s",
                          "peak_gmac_per_s", "percent_of_peak", "precision", "streams", "threads", "host"})
    EXPECT_TRUE(json.contains(key)) << key;
  for (const char* key : {"median", "p90", "p99", "min"}) EXPECT_GT(json["latency_ms"][key], 0) << key;
  EXPECT_EQ(json["precision"], "int8");
  EXPECT_EQ(json["streams"], 2);
  EXPECT_NEAR(json["gmac"], 16 * 16 * (8 * 9 + 8 * 4) * 1e-9, 1e-12);

  CommandResult plan = quadlane(scratch, cat("inspect ", out, " --plan"));
  EXPECT_EQ(plan.code, 0);
  EXPECT_NE(plan.out.find("first"), std::string::npos);
  CommandResult graph = quadlane(scratch, cat("inspect ", net, " --after fuse_activation"));
  EXPECT_EQ(graph.code, 0) << graph.err;
  EXPECT_EQ(graph.out.find("Relu("), std::string::npos);
  EXPECT_NE(quadlane(scratch, cat("inspect ", net, " --after load")).out.find("Relu("), std::string::npos);
}

TEST(Command, RandomCalibrationIsAnnounced) {
  Scratch scratch;
  CommandResult r = quadlane(
      scratch, cat("bench ", small_net(scratch), " --precision int8 --seconds 0.05 --json ", scratch.path("b.json")));
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.err.find("random normal data"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(*read_file(scratch.path("b.json")))["precision"], "int8");
}

TEST(Command, BatchScalesTheWork) {
  Scratch scratch;
  CommandResult r =
      quadlane(scratch, cat("bench ", small_net(scratch), " --batch 3 --seconds 0.05 --json ", scratch.path("b.json")));
  ASSERT_EQ(r.code, 0) << r.err;
  auto json = nlohmann::json::parse(*read_file(scratch.path("b.json")));
  EXPECT_EQ(json["batch"], 3);
  EXPECT_NEAR(json["gmac"], 3 * 16 * 16 * (8 * 9 + 8 * 4) * 1e-9, 1e-12);
}

TEST(Command, BadModelsAreOneLineErrors) {
  Scratch scratch;
  std::string net = small_net(scratch), bytes = *read_file(net), out = scratch.path("o.onnx");
  std::string cut = scratch.write("cut.onnx", bytes.substr(0, bytes.size() / 2));
  std::string text = scratch.write("text.onnx", "this is no model");
  std::string unknown = bytes;
  unknown.replace(unknown.find("Relu"), 4, "Rolu");
  std::string strange = scratch.write("strange.onnx", unknown);
  for (const char* verb : {"inspect", "bench"}) {
    expect_failure(scratch, cat(verb, " ", cut), {"cut.onnx"});
    expect_failure(scratch, cat(verb, " ", text), {"text.onnx"});
    expect_failure(scratch, cat(verb, " ", strange), {"Rolu"});
    expect_failure(scratch, cat(verb, " ", scratch.path("none.onnx")), {"none.onnx"});
  }
  expect_failure(scratch, cat("bench ", net, " --shape image=1x2x16x16"), {"first", "2", "1"});  // channels do not fit
  expect_failure(scratch, cat("bench ", net, " --isa sse9"), {"sse9"});
  expect_failure(scratch, cat("bench ", net, " --disable no_such_pass"), {"no_such_pass"});
  expect_failure(scratch, cat("inspect ", net, " --after no_such_pass"), {"no_such_pass"});
}

TEST(Command, BadInputsAreOneLineErrors) {
  Scratch scratch;
  std::string net = small_net(scratch), out = scratch.path("out");
  std::string wrong = write_input(scratch, "wrong.npy", {1, 1, 16, 15});
  std::string run = cat("run ", net, " --output-dir ", out, " --input ");
  expect_failure(scratch, run + wrong, {"image", "f32[1,1,16,16]", "f32[1,1,16,15]"});
  Tensor bytes = *Tensor::allocate({DType::u8, {1, 1, 16, 16}});
  ASSERT_TRUE(write_npy(scratch.path("u8.npy"), bytes.view()).ok());
  expect_failure(scratch, run + scratch.path("u8.npy"), {"f32[1,1,16,16]", "u8[1,1,16,16]"});
  expect_failure(scratch, run + scratch.write("bad.npy", "nothing"), {"bad.npy"});
  expect_failure(scratch, cat("run ", net, " --output-dir ", out), {"image", "no --input"});
  expect_failure(scratch, run + "other=" + wrong, {"other"});
  EXPECT_EQ(scratch.entries("out"), 0u);

  scratch.make_dir("empty");
  std::string quantize = cat("quantize ", net, " -o ", scratch.path("q.onnx"), " --calib ");
  expect_failure(scratch, quantize + scratch.path("empty"), {"empty", "no sample"});
  expect_failure(scratch, quantize + scratch.path("missing"), {"missing"});
  expect_failure(scratch, quantize + wrong, {"f32[1,1,16,16]", "f32[1,1,16,15]"});
  EXPECT_FALSE(exists(scratch.path("q.onnx")));
}

// Two runs that must give the same say so by their hashes.
TEST(Command, RunTellsWhatMadeItsOutputs) {
  Scratch scratch;
  const std::string net = small_net(scratch), input = write_input(scratch, "x.npy", {1, 1, 16, 16});
  auto record = [&](const std::string& more) {
    const std::string file = scratch.path("record.json");
    CommandResult r = quadlane(scratch, cat("run ", net, " --input ", input, " --output-dir ", scratch.path("out"),
                                            " --no-tune --provenance ", file, more));
    EXPECT_EQ(r.code, 0) << r.err;
    return nlohmann::json::parse(*read_file(file));
  };
  const auto first = record(""), second = record(" --threads 2");
  for (const char* key : {"tool", "date", "cpu", "system", "isa", "code", "precision", "model_sha256", "build_id"})
    EXPECT_TRUE(first.contains(key)) << key;
  EXPECT_EQ(second["threads"], 2);
  EXPECT_EQ(first["inputs"], second["inputs"]);
  EXPECT_EQ(first["outputs"], second["outputs"]);

  const std::string plan = scratch.path("net.qlp");
  ASSERT_EQ(quadlane(scratch, cat("compile ", net, " --no-tune -o ", plan)).code, 0);
  ASSERT_EQ(quadlane(scratch, cat("run ", plan, " --input ", input, " --output-dir ", scratch.path("out"),
                                  " --provenance ", scratch.path("plan.json")))
                .code,
            0);
  const auto of_plan = nlohmann::json::parse(*read_file(scratch.path("plan.json")));
  EXPECT_EQ(of_plan["plan_sha256"], sha256_hex(*read_file(plan)));
  EXPECT_EQ(of_plan["model_sha256"], sha256_hex(*read_file(net)));
  EXPECT_EQ(of_plan["model_sha256"], first["model_sha256"]);
}

TEST(Command, UnwritableOutputsFailBeforeTheWork) {
  Scratch scratch;
  std::string net = small_net(scratch), calib = calibration_folder(scratch),
              input = write_input(scratch, "x.npy", {1, 1, 16, 16});
  std::string blocked = scratch.write("file", "") + "/below";  // even root cannot write below a file
  expect_failure(scratch, cat("run ", net, " --input ", input, " --output-dir ", blocked), {"below"});
  expect_failure(scratch, cat("quantize ", net, " --calib ", calib, " -o ", blocked, ".onnx"), {"below.onnx"});
  expect_failure(scratch, cat("quantize ", net, " --calib ", calib, " -o ", calib), {"folder"});
  expect_failure(scratch, cat("bench ", net, " --json ", blocked), {"below"});
  expect_failure(scratch, cat("segment --model ", net, " --input ", input, " --output ", blocked), {"below"});
}

TEST(Command, SegmentsAnExam) {
  Scratch scratch;
  std::string net = small_net(scratch);
  NiftiImage image = make_nifti({20, 14, 2, 3}, {1.5, 1.5, 8}, 40, {1.5f, 0, 0, 0, 0, 1.5f, 0, 0, 0, 0, 8, 0});
  std::vector<float> voxels(20 * 14 * 6);
  for (size_t i = 0; i < voxels.size(); ++i) voxels[i] = static_cast<float>((i * 7919) % 311);
  ASSERT_TRUE(write_nifti_f32(scratch.path("cine.nii.gz"), image, voxels).ok());
  std::string command =
      cat("segment --model ", net, " --compare ", net, " --input ", scratch.path("cine.nii.gz"), " --output ",
          scratch.path("out"), " --streams 2 --provenance ", scratch.path("provenance.json"));
  CommandResult r = quadlane(scratch, command);
  ASSERT_EQ(r.code, 0) << r.err;
  auto masks = read_nifti(scratch.path("out/masks.nii.gz"));
  ASSERT_TRUE(masks.ok());
  EXPECT_EQ(masks->extent, image.extent);
  for (const char* name : {"montage.png", "compare.png", "phases.csv", "report.json", "masks_compare.nii.gz"})
    EXPECT_TRUE(exists(scratch.path(cat("out/", name)))) << name;
  auto report = nlohmann::json::parse(*read_file(scratch.path("out/report.json")));
  EXPECT_EQ(report["precision"], "int8");
  EXPECT_EQ(report["compare"]["precision"], "f32");
  EXPECT_EQ(report["phases"].size(), 3u);
  auto record = nlohmann::json::parse(*read_file(scratch.path("provenance.json")));
  EXPECT_EQ(record["model_sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(record["calibration_sha256"].get<std::string>().size(), 64u);  // on the exam's own slices
  EXPECT_EQ(record["streams"], 2);
  EXPECT_EQ(record["inputs"][0]["sha256"].get<std::string>().size(), 64u);
  ASSERT_EQ(record["outputs"].size(), 2u);
  EXPECT_EQ(record["outputs"][0]["sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(record["outputs"][1]["file"], "masks_compare.nii.gz");
  EXPECT_NE(record["outputs"][0]["sha256"], record["outputs"][1]["sha256"]);
  EXPECT_EQ(record["compare"]["precision"], "f32");
  EXPECT_EQ(record["compare"]["model_sha256"], record["model_sha256"]);  // the int8 one was made of it

  // The result does not depend on the number of streams.
  std::string alone =
      cat("segment --model ", net, " --input ", scratch.path("cine.nii.gz"), " --output ", scratch.path("alone"));
  ASSERT_EQ(quadlane(scratch, alone + " --streams 1").code, 0);
  EXPECT_EQ(*read_file(scratch.path("alone/masks.nii.gz")), *read_file(scratch.path("out/masks.nii.gz")));
  expect_failure(scratch, alone + " --truth " + scratch.path("nothing.nii"), {"nothing.nii"});
}

}  // namespace
}  // namespace quadlane::tools
