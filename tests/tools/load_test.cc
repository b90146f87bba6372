// quadlane bench: scenarios, what its results hold, profilers that listen.
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "engine/base/cpu.h"
#include "graph/text.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/cli/model_args.h"

namespace quadlane::tools {
namespace {

using Json = nlohmann::json;

constexpr char kNet[] = R"(graph "net"
input %image: f32[1,8,16,16]
const %w: f32[16,8,3,3] = random(1)
%a: f32[1,16,16,16] = Conv(%image, %w) name="first" pads=[1,1,1,1]
output %a
)";

std::string net(const Scratch& scratch) {
  auto graph = parse_graph(kNet, op_table());
  EXPECT_TRUE(save_onnx(*graph, scratch.path("net.onnx")).ok());
  return scratch.path("net.onnx");
}

Json bench(const Scratch& scratch, const std::string& more, int code = 0) {
  CommandResult r =
      quadlane(scratch, cat("bench ", net(scratch), " --no-tune --json ", scratch.path("b.json"), " ", more));
  EXPECT_EQ(r.code, code) << r.err;
  return r.code == code ? Json::parse(*read_file(scratch.path("b.json"))) : Json();
}

TEST(Bench, PercentilesAreOrderedForEveryStream) {
  Scratch scratch;
  const Json json = bench(scratch, "--seconds 0.1 --streams 2");
  ASSERT_EQ(json["latency_ms_of_streams"].size(), 2u);
  for (const Json& p : json["latency_ms_of_streams"]) {
    EXPECT_LE(p["min"], p["median"]);
    EXPECT_LE(p["median"], p["p90"]);
    EXPECT_LE(p["p90"], p["p95"]);
    EXPECT_LE(p["p95"], p["p99"]);
    EXPECT_LE(p["p99"], p["max"]);
  }
  EXPECT_EQ(json["model_sha256"].get<std::string>().size(), 64u);
  EXPECT_GT(json["resident_bytes"], 1000000);
  EXPECT_TRUE(json["warnings"].is_array());
  EXPECT_FALSE(json["host"]["build"].get<std::string>().empty());
  EXPECT_EQ(json["host"]["build_id"].get<std::string>().size(), 40u);  // a SHA-1
}

TEST(Bench, Scenarios) {
  Scratch scratch;
  EXPECT_EQ(bench(scratch, "--seconds 0.05 --streams 2 --scenario single")["streams"], 1);
  const Json multi = bench(scratch, "--seconds 0.05 --streams 2 --scenario multi");
  EXPECT_GE(multi["requests"], 5);
  ASSERT_EQ(multi["latency_ms_of_streams"].size(), 2u);  // each its own, and a round as long as the slowest
  for (const Json& own : multi["latency_ms_of_streams"]) EXPECT_LE(own["mean"], multi["latency_ms"]["mean"]);
  EXPECT_GE(bench(scratch, "--seconds 0.05 --streams 2 --scenario offline")["requests"], 10);
  const Json served = bench(scratch, "--seconds 0.3 --scenario server --rate 200 --latency-bound 1000");
  EXPECT_EQ(served["arrivals_per_s"], 200);
  EXPECT_TRUE(served["bound_kept"]);
  EXPECT_NEAR(served["requests"].get<double>(), 60, 30);
  const Json hopeless = bench(scratch, "--seconds 0.1 --scenario server --latency-bound 0.001", 3);
  EXPECT_FALSE(hopeless["bound_kept"]);
  EXPECT_NE(hopeless["warnings"].dump().find("requests say little"), std::string::npos);
  CommandResult wrong = quadlane(scratch, cat("bench ", net(scratch), " --latency-bound 5"));
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.err.find("--scenario server"), std::string::npos) << wrong.err;
}

TEST(Bench, OneRowHoldsWhatTheJsonHolds) {
  Scratch scratch;
  const Json json = bench(scratch, cat("--seconds 0.05 --streams 2 --csv ", scratch.path("b.csv")));
  const std::string csv = *read_file(scratch.path("b.csv"));
  for (const char* column : {"model_sha256", "build_id", "stream_p99_ms", "clock_after_ghz", "copy_memory_gb_per_s"})
    EXPECT_NE(csv.substr(0, csv.find('\n')).find(column), std::string::npos) << column;
  for (const std::string& value : {json["model_sha256"].get<std::string>(), json["host"]["build_id"].get<std::string>(),
                                   json["latency_ms_of_streams"][1]["p99"].dump()})
    EXPECT_NE(csv.find(value), std::string::npos) << value;
}

TEST(Bench, OutputsThatAreNoFilesAreRefusedBefore) {
  Scratch scratch;
  const std::string model = "bench " + net(scratch) + " --no-tune --seconds 0.05";
  const std::string file = scratch.path("x");
  const std::tuple<std::string, int, const char*> cases[] = {
      {" --json ''", 2, "no name of a file"},
      {" --json -", 2, "no name of a file"},
      {cat(" --json ", file, " --csv ", scratch.path("./x")), 1, "written twice"},
      {" --prep /none.json", 1, "--input or --calib"},
      {" --disable fuse", 1, "the nearest is 'fuse_"}};
  for (const auto& [options, code, reason] : cases) {
    CommandResult r = quadlane(scratch, model + options);
    EXPECT_EQ(r.code, code) << options;
    EXPECT_NE(r.err.find(reason), std::string::npos) << r.err;
  }
  EXPECT_FALSE(exists(file) || exists("-"));
}

TEST(Bench, SlowerThanItsArrivals) {
  Scratch scratch;
  const Json json = bench(scratch, "--seconds 0.05 --scenario server --rate 1e6 --warm-up 0.02");
  EXPECT_NE(json["warnings"].dump().find("requests arrive at"), std::string::npos) << json["warnings"];
}

TEST(Bench, RandomCalibrationIsAWarning) {
  Scratch scratch;
  EXPECT_NE(bench(scratch, "--seconds 0.05 --precision int8")["warnings"].dump().find("random"), std::string::npos);
}

TEST(Profilers, PerfSeesKernelsByName) {
  Scratch scratch;
  const std::string data = scratch.path("perf.data");
  const std::string record = cat("perf record -q -k mono -e cpu-clock -o ", data, " ");
  if (run_shell(scratch, record + "true").code != 0) GTEST_SKIP() << "perf is not installed, or may not record";
  CommandResult r = run_shell(scratch, cat(record, QUADLANE_COMMAND " bench ", net(scratch),
                                           " --seconds 0.5 --no-tune --perf-map --jit-dump ", scratch.path(".")));
  ASSERT_EQ(r.code, 0) << r.err;
  if (detect_cpu().best_isa() == Isa::reference) GTEST_SKIP() << "no generated code on this machine";
  CommandResult by_map = run_shell(scratch, cat("perf report -i ", data, " --stdio --sort symbol"));
  EXPECT_NE(by_map.out.find("conv f32f32"), std::string::npos) << by_map.out << by_map.err;
  CommandResult inject = run_shell(scratch, cat("perf inject --jit -i ", data, " -o ", scratch.path("jit.data")));
  ASSERT_EQ(inject.code, 0) << inject.err;
  CommandResult by_dump =
      run_shell(scratch, cat("perf report -i ", scratch.path("jit.data"), " --stdio --sort dso,symbol"));
  EXPECT_NE(by_dump.out.find("jitted-"), std::string::npos) << by_dump.out << by_dump.err;
  EXPECT_NE(by_dump.out.find("conv f32f32"), std::string::npos);
  if (run_shell(scratch, "command -v objdump").code != 0) GTEST_SKIP() << "objdump is not installed";
  CommandResult listing = run_shell(scratch, cat("perf annotate -i ", scratch.path("jit.data"), " --stdio"));
  EXPECT_NE(listing.out.find("vfmadd231ps"), std::string::npos);
}

// Whoever loads several models, as compare does, asks for the options several times.
TEST(Profilers, OneDumpHoldsTheCodeOfAllModels) {
  Scratch scratch;
  ModelArgs args;
  args.jit_dump = scratch.path(".");
  auto dumped = [&] { return read_file(scratch.path(cat("jit-", ::getpid(), ".dump")))->size(); };
  auto load = [&] {
    auto options = args.options();
    ASSERT_TRUE(options.ok()) << options.error().text();
    options->tune = false;
    auto model = Model::from_graph(parse_graph(kNet, op_table()).value(), *options);
    ASSERT_TRUE(model.ok()) << model.error().text();
  };
  load();
  const size_t once = dumped();
  load();
  EXPECT_EQ(dumped() - 40, 2 * (once - 40));  // behind the header
  if (detect_cpu().best_isa() != Isa::reference) {
    EXPECT_GT(once, 40u);
  }
}

TEST(Profilers, VtunesCollectorIsToldEveryKernel) {
  Scratch scratch;
  CommandResult r =
      run_shell(scratch, cat("FAKE_COLLECTOR_LOG=", scratch.path("log"), " ", QUADLANE_COMMAND, " bench ", net(scratch),
                             " --no-tune --seconds 0.05 --vtune-jit ", QUADLANE_FAKE_COLLECTOR));
  ASSERT_EQ(r.code, 0) << r.err;
  if (detect_cpu().best_isa() == Isa::reference) GTEST_SKIP() << "no generated code on this machine";
  EXPECT_NE(read_file(scratch.path("log"))->find("13 1000 "), std::string::npos);
  EXPECT_NE(read_file(scratch.path("log"))->find("conv f32f32"), std::string::npos);
}

TEST(Profilers, ALibraryThatIsNoneIsAnError) {
  Scratch scratch;
  CommandResult missing = quadlane(scratch, cat("bench ", net(scratch), " --vtune-jit ", scratch.path("none.so")));
  EXPECT_EQ(missing.code, 1);
  EXPECT_NE(missing.err.find("INTEL_JIT_PROFILER64"), std::string::npos) << missing.err;
  CommandResult other = quadlane(scratch, cat("bench ", net(scratch), " --vtune-jit libz.so.1"));
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("NotifyEvent"), std::string::npos) << other.err;
}

}  // namespace
}  // namespace quadlane::tools
