// quadlane compare: engines in turn, other builds, saved results, and what happens where an engine is missing.
#include <gtest/gtest.h>

#include <barrier>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/base/cpu.h"
#include "graph/text.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/compare/comparison.h"
#include "tools/compare/crew.h"
#include "tools/compare/ort_nodes.h"
#include "tools/compare/saved_results.h"
#include "tools/compare/step_names.h"

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

// What the page's script has made of it.
std::string page_in_browser(const Scratch& scratch, const char* name) {
  return run_shell(scratch, cat("timeout 60 chromium --headless --no-sandbox --disable-gpu --dump-dom --user-data-dir=",
                                scratch.path("browser"), " file://", scratch.path(name)))
      .out;
}

TEST(Compare, OnnxRuntimeComputesTheSame) {
  Scratch scratch;
  CommandResult r = compare(scratch, cat("--with ort --by-node --html ", scratch.path("c.html")));
  if (r.err.find("tools/setup --peers") != std::string::npos) GTEST_SKIP() << r.err;
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(*read_file(scratch.path("c.json")));
  ASSERT_EQ(json["engines"].size(), 2u);
  const Json& ort = json["engines"][1];
  EXPECT_GE(ort["runs_ms"].size(), 6u);
  EXPECT_LT(ort["difference"]["largest"].get<double>(), 1e-4);
  EXPECT_GT(ort["difference"]["sqnr_db"].get<double>(), 90);
  EXPECT_EQ(ort["difference"]["labels_changed"], 0);
  ASSERT_TRUE(json.contains("nodes"));
  int convolutions = 0;
  for (const Json& node : json["nodes"])
    if (const std::string name = node["name"]; name == "first" || name == "last") {
      ++convolutions;
      EXPECT_GT(node["ort_ms"], 0) << json["nodes"];
    }
  EXPECT_EQ(convolutions, 2) << json["nodes"];
  for (const char* precision : {"f32", "int8"}) {
    CommandResult values = compare(scratch, cat("--with ort --layers --precision ", precision));
    ASSERT_EQ(values.code, 0) << values.err;
    const Json layers = Json::parse(*read_file(scratch.path("c.json")))["layers"];
    EXPECT_GE(layers.size(), 2u);
    for (const Json& layer : layers) EXPECT_GT(layer["sqnr_db"], *precision == 'f' ? 90 : 40) << layer;
  }
  if (run_shell(scratch, "command -v chromium").code != 0) GTEST_SKIP() << "chromium is not installed";
  EXPECT_NE(page_in_browser(scratch, "c.html").find("data-ready=\"2\""), std::string::npos)
      << "the script stopped before its end";
}

TEST(Compare, NodesBelongToTheLayerWithTheLongestName) {
  auto nodes = parse_ort_profile(R"([
    {"cat": "Session", "name": "model_run", "dur": 900},
    {"cat": "Node", "name": "a/conv_kernel_time", "dur": 50, "args": {"op_name": "Conv"}},
    {"cat": "Node", "name": "a/conv_kernel_time", "dur": 40, "args": {"op_name": "Conv"}},
    {"cat": "Node", "name": "a/conv_fence_before", "dur": 1, "args": {"op_name": "Conv"}},
    {"cat": "Node", "name": "a/conv_quant_kernel_time", "dur": 10, "args": {"op_name": "QuantizeLinear"}},
    {"cat": "Node", "name": "a/conv2_kernel_time", "dur": 7, "args": {"op_name": "Conv"}}])");
  ASSERT_TRUE(nodes.ok()) << nodes.error().text();
  const std::vector<NodePair> pairs = pair_nodes({{"a", "Conv"}, {"a/conv", "Conv"}}, *nodes);
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_NEAR(pairs[1].ort_ms, 0.05, 1e-12);
  EXPECT_EQ(pairs[1].ort_operators, "Conv, QuantizeLinear");
  EXPECT_NEAR(pairs[0].ort_ms, 0.007, 1e-12);
  const std::vector<NodePair> by_value =
      pair_nodes({{"b", "Conv", 0, 0, "", {"a/conv"}}}, {{"a/conv_nchwc", "Conv", 2}});
  ASSERT_EQ(by_value.size(), 1u);
  EXPECT_EQ(by_value[0].ort_ms, 2);
  EXPECT_EQ(pair_nodes({{"b", "Conv"}}, *nodes).size(), 3u);  // one more for each operator
  EXPECT_FALSE(parse_ort_profile("{}").ok());
  EXPECT_FALSE(parse_ort_profile(R"([{"cat": "Node", "name": "x_kernel_time"}])").ok());
}

TEST(Compare, StepsStandForWhatIsFusedIntoThem) {
  auto graph = parse_graph(R"(graph "net"
input %x: f32[1,4,4,4]
const %w: f32[4,4,1,1] = random(1)
%a: f32[1,4,4,4] = Conv(%x, %w) name="one"
%b: f32[1,4,4,4] = Conv(%a, %w) name="two"
%c: f32[1,4,4,4] = Add(%a, %b) name="add"
%d: f32[1,4,4,4] = Relu(%c) name="relu"
%e: f32[1,4,4,4] = Sigmoid(%a) name="side"
output %d, %e
)",
                           op_table());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  const std::string steps[] = {"one", "pack", "two"};
  const std::vector<StepNames> named = names_of_steps(*graph, steps);
  EXPECT_EQ(named[0].names, (std::vector<std::string>{"one", "a", "side", "e"}));
  EXPECT_EQ(graph->at(named[0].value).name, "e");
  EXPECT_TRUE(named[1].names.empty());
  EXPECT_EQ(named[2].names, (std::vector<std::string>{"two", "b", "add", "c", "relu", "d"}));
  EXPECT_EQ(graph->at(named[2].value).name, "d");
}

// A scale found at run time is multiplied by the weights' in the step that found it: its bytes are what leaves it.
TEST(Compare, BytesLeaveTheStepThatFindsTheirScale) {
  auto graph = parse_graph(R"(graph "net"
input %x: f32[1,4,4,4]
const %w: f32[] = {0.5}
%q: u8[1,4,4,4], %s: f32[], %z: u8[] = DynamicQuantizeLinear(%x) name="quantize"
%m: f32[] = Mul(%s, %w) name="scales"
output %q, %z, %m
)",
                           op_table());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  const std::string steps[] = {"quantize"};
  const std::vector<StepNames> named = names_of_steps(*graph, steps);
  EXPECT_EQ(graph->at(named[0].value).name, "q");
  EXPECT_EQ(named[0].names, (std::vector<std::string>{"quantize", "q", "s", "z", "scales", "m"}));
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
  for (const Json& layer : json["layers"]) EXPECT_GT(layer["sqnr_db"], 100);
}

TEST(Compare, OneDnnComputesTheSame) {
  auto library = peers::OneDnn::open();
  if (!library.ok()) GTEST_SKIP() << library.error().text();
  peers::ConvLayer layer{.inputs = 16, .outputs = 24, .in = {7, 9}, .out = {7, 9}, .kernel = {3, 3}, .stride = {1, 1}};
  layer.dilation[0] = layer.dilation[1] = 1;
  for (int axis : {0, 1}) layer.pad_begin[axis] = layer.pad_end[axis] = 1;
  peers::ConvLayer depthwise = layer, up = layer, grouped_up = layer;
  depthwise.group = depthwise.outputs = 16;
  for (int axis : {0, 1}) up.stride[axis] = 2, up.out[axis] = 2 * up.in[axis] - 1;
  grouped_up = up;
  grouped_up.transposed = up.transposed = true;
  grouped_up.group = 4;
  for (peers::ConvLayer l : {layer, depthwise, up, grouped_up})
    for (DType type : {DType::f32, DType::u8}) {
      if (type == DType::u8 && !detect_cpu().runs(Isa::avx512_vnni)) continue;  // it saturates sums of two products
      l.type = type;
      auto pair = time_layer_pair({l, 1, "conv"}, &*library, 1, 0);
      ASSERT_TRUE(pair.ok()) << pair.error().text();
      EXPECT_GT(pair->deviation.extreme, type == DType::u8 ? 100 : 1) << l.text();
      EXPECT_LE(pair->deviation.largest, type == DType::u8 ? 1 : 1e-4) << l.text();  // the last bit of a rounding
      EXPECT_GT(pair->deviation.sqnr_db(), type == DType::u8 ? 60 : 110) << l.text();
    }
}

// No OpenVINO is to be had from Debian or npm: a library with its interface stands in, which computes max(x, 0).
TEST(Compare, OpenVinoByItsInterface) {
  Scratch scratch;
  auto graph = parse_graph(R"(graph "net"
input %x: f32[1,4,8,8]
%y: f32[1,4,8,8] = Relu(%x)
output %y
)",
                           op_table());
  ASSERT_TRUE(save_onnx(*graph, scratch.path("relu.onnx")).ok());
  CommandResult r =
      run_shell(scratch, cat("FAKE_OPENVINO_LOG=", scratch.path("log"), " ", QUADLANE_COMMAND, " compare ",
                             scratch.path("relu.onnx"), " --with openvino --openvino ", QUADLANE_FAKE_OPENVINO,
                             " --streams 2 --threads 3 --seconds 0.05 --json ", scratch.path("c.json")));
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(*read_file(scratch.path("c.json")));
  EXPECT_EQ(json["engines"][1]["name"], "OpenVINO 2026.0-fake");
  EXPECT_EQ(json["engines"][1]["difference"]["largest"], 0);
  EXPECT_EQ(*read_file(scratch.path("log")),
            "CPU INFERENCE_NUM_THREADS=6 NUM_STREAMS=2 PERFORMANCE_HINT=THROUGHPUT "
            "INFERENCE_PRECISION_HINT=f32\nnothing is alive\n");
  CommandResult other = quadlane(scratch, cat("compare ", net(scratch), " --with openvino --openvino libz.so.1"));
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("ov_get_openvino_version"), std::string::npos) << other.err;
}

TEST(Compare, SeveralStreamsAtOnce) {
  Scratch scratch;
  CommandResult r = compare(scratch, cat("--streams 3 --also ", net(scratch)));
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(*read_file(scratch.path("c.json")));
  EXPECT_EQ(json["streams"], 3);
  const Json& ours = json["engines"][0];
  EXPECT_NEAR(ours["throughput_fps"].get<double>(), 3e3 / ours["latency_ms"]["median"].get<double>(), 1e-6);
}

TEST(Crew, DoesEverythingAtOnceAndReportsTheFirstError) {
  std::barrier<> together(3);  // hangs unless all are at work at once
  std::vector<int> count(3);
  std::vector<Crew::Task> tasks;
  for (size_t i = 0; i < 3; ++i)
    tasks.push_back([&, i]() -> Status {
      together.arrive_and_wait();
      return ++count[i] == 4 && i > 0 ? invalid_argument("task ", i) : Status();
    });
  Crew crew(std::move(tasks));
  for (int round = 0; round < 3; ++round) EXPECT_TRUE(crew.run().ok());
  Status failed = crew.run();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().text(), "task 1");
  EXPECT_EQ(count, (std::vector<int>{4, 4, 4}));
}

TEST(Compare, PlansBesideOtherEngines) {
  Scratch scratch;
  const std::string plan = scratch.path("net.qlp");
  ASSERT_EQ(quadlane(scratch, cat("compile ", net(scratch), " --no-tune -o ", plan)).code, 0);
  const std::string seconds = " --seconds 0.05 --rounds 2 --json " + scratch.path("p.json");
  CommandResult both = quadlane(scratch, cat("compare ", plan, " --also ", net(scratch), seconds));
  ASSERT_EQ(both.code, 0) << both.err;
  EXPECT_EQ(Json::parse(*read_file(scratch.path("p.json")))["engines"][1]["difference"]["largest"], 0);
  EXPECT_EQ(quadlane(scratch, cat("compare ", plan, " --build ", QUADLANE_COMMAND, seconds)).code, 0);
  for (const char* engine : {"ort", "onednn"}) {
    CommandResult alone = quadlane(scratch, cat("compare ", plan, " --with ", engine, seconds));
    if (alone.err.find("is not here") != std::string::npos) continue;
    EXPECT_EQ(alone.code, 1);
    EXPECT_NE(alone.err.find("--peer-model"), std::string::npos) << alone.err;
    CommandResult r =
        quadlane(scratch, cat("compare ", plan, " --with ", engine, " --peer-model ", net(scratch), seconds));
    EXPECT_EQ(r.code, 0) << r.err;
  }
}

TEST(Compare, AnotherFileAndAnotherBuild) {
  Scratch scratch;
  CommandResult same = compare(scratch, cat("--also ", net(scratch)));
  ASSERT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(Json::parse(*read_file(scratch.path("c.json")))["engines"][1]["difference"]["largest"], 0);
  CommandResult build = compare(scratch, cat("--build ", QUADLANE_COMMAND));
  ASSERT_EQ(build.code, 0) << build.err;
  const Json builds = Json::parse(*read_file(scratch.path("c.json")))["engines"];
  EXPECT_EQ(builds[0]["runs_ms"].size(), 3u);
  EXPECT_EQ(builds[1]["difference"]["largest"], 0);
  CommandResult failing = compare(scratch, "--build /bin/false");
  EXPECT_NE(failing.err.find("'/usr/bin/false' fails"), std::string::npos) << failing.err;
  CommandResult other = compare(scratch, "--build /bin/true");
  EXPECT_NE(other.err.find("it is no quadlane"), std::string::npos) << other.err;
  CommandResult int8 = quadlane(scratch, cat("compare ", net(scratch),
                                             " --precision int8 --no-tune --seconds 0.05 "
                                             "--rounds 1 --json ",
                                             scratch.path("c.json"), " --build ", QUADLANE_COMMAND));
  ASSERT_EQ(int8.code, 0) << int8.err;
  EXPECT_EQ(Json::parse(*read_file(scratch.path("c.json")))["engines"][1]["difference"]["largest"], 0);
}

TEST(Compare, NotANumberIsNoPerfectAgreement) {
  Scratch scratch;
  const char* names[] = {"Log", "Abs"};  // NaN where the random input is negative
  for (const char* op : names) {
    auto graph = parse_graph(cat("graph \"g\"\ninput %x: f32[1,2,4,4]\n%y: f32[1,2,4,4] = ", op, "(%x)\noutput %y\n"),
                             op_table());
    ASSERT_TRUE(graph.ok()) << graph.error().text();
    ASSERT_TRUE(save_onnx(*graph, scratch.path(cat(op, ".onnx"))).ok());
  }
  const std::string both = cat("compare ", scratch.path("Abs.onnx"), " --also ", scratch.path("Log.onnx"),
                               " --seconds 0.05 --json ", scratch.path("n.json"));
  CommandResult r = quadlane(scratch, both);
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("NaN"), std::string::npos) << r.out;
  const Json difference = Json::parse(*read_file(scratch.path("n.json")))["engines"][1]["difference"];
  EXPECT_TRUE(difference["largest"].is_null() && difference["sqnr_db"].is_null()) << difference;
  EXPECT_GT(difference["not_alike"], 0);
  CommandResult layers = quadlane(scratch, both + " --layers");
  EXPECT_NE(layers.out.find("NaN"), std::string::npos) << layers.out;
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

TEST(Compare, FiveRunsThatLieApartAreARegression) {
  Comparison c;
  c.engines = {{"ours", ""}, {"theirs", ""}};
  c.engines[0].ms = {21, 22, 23, 24, 25};
  c.engines[1].ms = {11, 12, 13, 14, 15};
  Status failed = check_regression(c, 0.05);
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().text().find("ours is 76.9 % slower than theirs"), std::string::npos);
  EXPECT_TRUE(check_regression(c, 0.8).ok());
  c.engines[0].ms = {21, 22, 23, 24, 14.5};
  EXPECT_TRUE(check_regression(c, 0.05).ok());
  c.engines.pop_back();
  c.onednn_version = "2.7";
  c.layers = {{.layer = {.name = "conv"}, .our_us = {6, 7, 8, 9, 10}, .their_us = {1, 2, 3, 4, 5}}};
  EXPECT_NE(check_regression(c, 0.05).error().text().find("layer 'conv' is 166.7 % slower than oneDNN"),
            std::string::npos);
}

TEST(Compare, FailOverNeedsSomethingToBeSureOf) {
  Scratch scratch;
  Json before = {{"kind", "comparison"},
                 {"engines", {{{"name", "ours"}, {"latency_ms", {{"median", 1}}}, {"runs_ms", {1, 1.1, 0.9}}}}}};
  const std::string old = scratch.write("old.json", before.dump());
  before["engines"][0]["runs_ms"] = {10, 11, 9};
  before["engines"][0]["latency_ms"]["median"] = 10;
  const std::string few = cat("compare ", old, " ", scratch.write("few.json", before.dump()), " --fail-over 5%");
  const std::string model = "compare " + net(scratch);
  const std::pair<std::string, const char*> cases[] = {
      {few, "too few runs"},
      {model + " --fail-over 5%", "needs --with, --also or --build"},
      {cat(model, " --build ", QUADLANE_COMMAND, " --rounds 4 --fail-over 5%"), "--rounds 5 or more"},
      {cat(model, " ", net(scratch)), "with --also"},
      {cat("compare ", old), "a second one"}};
  for (const auto& [arguments, reason] : cases) {
    CommandResult r = quadlane(scratch, arguments);
    EXPECT_EQ(r.code, 1) << arguments;
    EXPECT_NE(r.err.find(reason), std::string::npos) << r.err;
  }
}

Json saved_profile(double ms, std::vector<std::pair<const char*, double>> layers) {
  Json json = {{"ms", ms}, {"instrumented_ms", ms}, {"runs_ms", {ms, 1.01 * ms, 1.02 * ms, 1.03 * ms, 1.04 * ms}}};
  for (const auto& [name, each] : layers) json["layers"].push_back({{"name", name}, {"op", "Conv"}, {"ms", each}});
  return json;
}

TEST(Compare, ProfilesLayerByLayer) {
  const Json before = saved_profile(3, {{"a", 1}, {"b", 1}, {"b", 0.5}, {"gone", 0.5}});
  const Json after = saved_profile(4, {{"a", 1}, {"b", 2}, {"b", 0.6}, {"new", 0.4}});
  auto changes = compare_saved(before, after);
  ASSERT_TRUE(changes.ok()) << changes.error().text();
  ASSERT_EQ(changes->size(), 6u);  // the run, and each layer once
  EXPECT_DOUBLE_EQ(*(*changes)[0].p, 2.0 / 252);
  EXPECT_EQ((*changes)[3].before, 0.5);
  EXPECT_EQ((*changes)[3].after, 0.6);
  EXPECT_TRUE(std::isnan((*changes)[4].after) && std::isnan((*changes)[5].before));
  Status failed = check_changes(*changes, 0.05);
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().text().find("the most is lost in layer 'b' Conv"), std::string::npos)
      << failed.error().text();
  EXPECT_FALSE(compare_saved(before, saved_profile(4, {{"other", 4}})).ok());
}

TEST(Compare, EnginesOfOneResultAloneAreShown) {
  auto engine = [](const char* name, double ms) {
    return Json{{"name", name}, {"latency_ms", {{"median", ms}}}, {"runs_ms", {ms, ms, ms}}};
  };
  const Json before = {{"kind", "comparison"}, {"engines", {engine("1.0", 1), engine("ort", 2), engine("one", 3)}}};
  const Json after = {{"kind", "comparison"}, {"engines", {engine("1.1", 4), engine("two", 5), engine("ort", 6)}}};
  auto changes = compare_saved(before, after);
  ASSERT_TRUE(changes.ok()) << changes.error().text();
  std::string text;
  for (const SavedChange& c : *changes) text += cat(c.what, " ", c.before, " ", c.after, c.counts ? " counts; " : "; ");
  EXPECT_EQ(text, "1.1, ms 1 4 counts; ort, ms 2 6; one, ms 3 nan; two, ms nan 5; ");
}

TEST(Compare, SavedResultsSayWhatElseDiffers) {
  Scratch scratch;
  Json before = {{"model_sha256", "ab"},
                 {"threads", 1},
                 {"host", {{"cpu", "one"}, {"cores", 2}}},
                 {"latency_ms", {{"median", 10}, {"mean", 10}, {"p99", 11}}},
                 {"latency_variation", 0.01},
                 {"requests", 100},
                 {"throughput_fps", 100},
                 {"arena_bytes", 193792}};
  Json after = before;
  EXPECT_TRUE(other_conditions(before, after).empty());
  after["threads"] = 2;
  after["model_sha256"] = "cd";
  after["host"]["cpu"] = "other";
  after["latency_ms"]["p99"] = 20;
  EXPECT_EQ(other_conditions(before, after),
            (std::vector<std::string>{"model's sha256: ab before, cd after", "threads: 1 before, 2 after",
                                      "processor: one before, other after"}));
  CommandResult r = quadlane(
      scratch, cat("compare ", scratch.write("a.json", before.dump()), " ", scratch.write("b.json", after.dump()),
                   " --json ", scratch.path("c.json"), " --html ", scratch.path("c.html")));
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.err.find("warning: the results differ in more than time, threads: 1 before, 2 after"), std::string::npos)
      << r.err;
  EXPECT_NE(r.out.find(" 193792 "), std::string::npos) << r.out;
  const Json written = Json::parse(*read_file(scratch.path("c.json")));
  EXPECT_EQ(written["remarks"].size(), 3u);
  for (const Json& change : written["changes"])
    EXPECT_EQ(change["p_value"].is_null(), change["what"] == "latency_ms.p99" || change["what"] == "arena_bytes");
  EXPECT_NE(read_file(scratch.path("c.html"))->find("latency_ms.p99"), std::string::npos);
  if (run_shell(scratch, "command -v chromium").code != 0) GTEST_SKIP() << "chromium is not installed";
  EXPECT_NE(page_in_browser(scratch, "c.html").find("data-ready=\"5\""), std::string::npos)
      << "the script stopped before its end";
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
  EXPECT_GT(*(*changes)[0].p, 0.3);
  EXPECT_TRUE(check_changes(*changes, 0.05).ok());
  before["requests"] = after["requests"] = 10000;
  EXPECT_FALSE(check_changes(*compare_saved(before, after), 0.05).ok());
  EXPECT_FALSE(compare_saved(before, Json::array()).ok());
  EXPECT_FALSE(compare_saved(before, Json{{"layers", {}}, {"instrumented_ms", 1}}).ok());
}

}  // namespace
}  // namespace quadlane::tools
