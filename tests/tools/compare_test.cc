// quadlane compare: engines in turn, other builds, saved results, and what happens where an engine is missing.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "graph/text.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/compare/saved_results.h"

namespace quadlane::tools {
namespace {

using Json = nlohmann::json;

std::string net(const Scratch& scratch) {
  auto graph = parse_graph(R"(graph "net"
input %image: f32[1,8,16,16]
const %w: f32[16,8,3,3] = random(1)
const %v: f32[4,16,1,1] = random(2)
%a: f32[1,16,16,16] = Conv(%image, %w) name="first" pads=[1,1,1,1]
%b: f32[1,16,16,16] = Relu(%a)
%scores: f32[1,4,16,16] = Conv(%b, %v) name="last"
output %scores
)",
                           op_table());
  EXPECT_TRUE(save_onnx(*graph, scratch.path("net.onnx")).ok());
  return scratch.path("net.onnx");
}

CommandResult compare(const Scratch& scratch, const std::string& more) {
  return quadlane(scratch, cat("compare ", net(scratch), " --seconds 0.05 --no-tune --rounds 3 --json ",
                               scratch.path("c.json"), " ", more));
}

TEST(Compare, OnnxRuntimeComputesTheSame) {
  Scratch scratch;
  CommandResult r = compare(scratch, cat("--with ort --html ", scratch.path("c.html")));
  if (r.err.find("tools/setup --peers") != std::string::npos) GTEST_SKIP() << r.err;
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(*read_file(scratch.path("c.json")));
  ASSERT_EQ(json["engines"].size(), 2u);
  const Json& ort = json["engines"][1];
  EXPECT_GE(ort["runs_ms"].size(), 5u);
  EXPECT_LT(ort["difference"]["largest"].get<double>(), 1e-4);
  EXPECT_GT(ort["difference"]["sqnr_db"].get<double>(), 90);
  EXPECT_EQ(ort["difference"]["labels_changed"], 0);
  if (run_shell(scratch, "command -v chromium").code != 0) GTEST_SKIP() << "chromium is not installed";
  CommandResult dom = run_shell(scratch, cat("timeout 60 chromium --headless --no-sandbox --disable-gpu --dump-dom "
                                             "--user-data-dir=",
                                             scratch.path("browser"), " file://", scratch.path("c.html")));
  EXPECT_NE(dom.out.find("data-ready=\"2\""), std::string::npos) << "the script stopped before its end";
}

TEST(Compare, OneDnnLayerByLayer) {
  Scratch scratch;
  CommandResult r = compare(scratch, "--with onednn");
  if (r.err.find("libdnnl") != std::string::npos) GTEST_SKIP() << r.err;
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(*read_file(scratch.path("c.json")));
  ASSERT_EQ(json["layers"].size(), 2u);
  EXPECT_FALSE(json["layers"][0]["onednn_implementation"].get<std::string>().empty());
  EXPECT_GT(json["layers"][0]["onednn_us"], 0);
}

TEST(Compare, AnotherFileAndAnotherBuild) {
  Scratch scratch;
  CommandResult same = compare(scratch, cat("--also ", net(scratch)));
  ASSERT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(Json::parse(*read_file(scratch.path("c.json")))["engines"][1]["difference"]["largest"], 0);
  CommandResult build = compare(scratch, cat("--build ", QUADLANE_COMMAND));
  ASSERT_EQ(build.code, 0) << build.err;
  EXPECT_EQ(Json::parse(*read_file(scratch.path("c.json")))["engines"][0]["runs_ms"].size(), 3u);
}

TEST(Compare, MissingEnginesSayHowToGetThem) {
  Scratch scratch;
  const std::pair<const char*, const char*> cases[] = {
      {"--with ort --ort /none/libonnxruntime.so", "tools/setup --peers"},
      {"--with openvino --openvino /none/libopenvino_c.so", "--openvino"},
      {"--build /none/quadlane", "/none/quadlane"}};
  for (const auto& [options, hint] : cases) {
    CommandResult r = compare(scratch, options);
    EXPECT_EQ(r.code, 1) << options;
    EXPECT_NE(r.err.find(hint), std::string::npos) << r.err;
  }
}

std::string result(const Scratch& scratch, const char* name, double ms, double fps) {
  const Json json = {{"latency_ms", {{"median", ms}, {"p99", ms * 1.1}, {"mean", ms}}},
                     {"latency_variation", 0.01},
                     {"requests", 400},
                     {"throughput_fps", fps},
                     {"compile_ms", 100}};
  return scratch.write(name, json.dump());
}

TEST(Compare, ARegressionBetweenSavedResultsIsExitCode3) {
  Scratch scratch;
  const std::string old = result(scratch, "old.json", 10, 100), slower = result(scratch, "new.json", 11, 91),
                    close = result(scratch, "close.json", 10.2, 98);
  EXPECT_EQ(quadlane(scratch, cat("compare ", old, " ", slower)).code, 0);
  CommandResult r = quadlane(scratch, cat("compare ", old, " ", slower, " --fail-over 5%"));
  EXPECT_EQ(r.code, 3) << r.err;
  EXPECT_NE(r.err.find("latency_ms.median"), std::string::npos) << r.err;
  EXPECT_EQ(quadlane(scratch, cat("compare ", old, " ", close, " --fail-over 5%")).code, 0);
  EXPECT_EQ(quadlane(scratch, cat("compare ", slower, " ", old, " --fail-over 5%")).code, 0);  // faster is fine
  EXPECT_EQ(quadlane(scratch, cat("compare ", old, " ", slower, " --fail-over much")).code, 1);
}

TEST(Compare, NoiseIsNoRegression) {
  Json before = {{"latency_ms", {{"median", 10}, {"mean", 10}}},
                 {"latency_variation", 0.4},
                 {"requests", 6},
                 {"throughput_fps", 100}};
  Json after = before;
  after["latency_ms"] = {{"median", 10.8}, {"mean", 10.8}};
  auto changes = compare_saved(before, after);
  ASSERT_TRUE(changes.ok());
  EXPECT_GT((*changes)[0].p, 0.3);
  EXPECT_TRUE(check_changes(*changes, 0.05).ok());
  before["requests"] = after["requests"] = 10000;
  EXPECT_FALSE(check_changes(*compare_saved(before, after), 0.05).ok());
  EXPECT_FALSE(compare_saved(before, Json::array()).ok());
  EXPECT_FALSE(compare_saved(before, Json{{"layers", {}}, {"instrumented_ms", 1}}).ok());
}

}  // namespace
}  // namespace quadlane::tools
