// quadlane profile, its files, and listings of generated code.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/base/cpu.h"
#include "graph/text.h"
#include "graph/text_node.h"
#include "jit/kernels/conv.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/cli/nearest.h"
#include "tools/cli/table.h"
#include "tools/cli/workload.h"
#include "tools/code/crowd.h"
#include "tools/code/disassembly.h"
#include "tools/compare/layer_case.h"
#include "tools/profile/limits.h"
#include "tools/profile/near_times.h"
#include "tools/profile/network_profile.h"

namespace quadlane::tools {
namespace {

using Json = nlohmann::json;

// 8 channels are two quads, 6 outputs are two quads; 3x3 on 8x8, then a pool.
std::string pooled_net(const Scratch& scratch) {
  auto graph = parse_graph(R"(graph "net"
input %image: f32[1,8,8,8]
const %w1: f32[6,8,3,3] = random(1)
const %w2: f32[4,6,1,1] = random(2)
%a: f32[1,6,8,8] = Conv(%image, %w1) name="wide" pads=[1,1,1,1]
%b: f32[1,6,8,8] = Relu(%a)
%c: f32[1,6,4,4] = MaxPool(%b) name="pool" kernel_shape=[2,2] strides=[2,2]
%scores: f32[1,4,4,4] = Conv(%c, %w2) name="head"
output %scores
)",
                           op_table());
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  EXPECT_TRUE(save_onnx(*graph, scratch.path("net.onnx")).ok());
  return scratch.path("net.onnx");
}

Json profile(const Scratch& scratch, const std::string& more) {
  CommandResult r = quadlane(scratch, cat("profile ", pooled_net(scratch), " --seconds 0.05 --no-tune --json ",
                                          scratch.path("p.json"), " ", more));
  EXPECT_EQ(r.code, 0) << r.err;
  return r.code == 0 ? Json::parse(*read_file(scratch.path("p.json"))) : Json();
}

const Json* layer(const Json& profile, const std::string& name) {
  for (const Json& l : profile["layers"])
    if (l["name"] == name) return &l;
  return nullptr;
}

TEST(Profile, LayersExplainARun) {
  Scratch scratch;
  const Json json = profile(scratch, "--precision int8");
  double share = 0;
  for (const Json& l : json["layers"]) {
    for (const char* key : {"name", "op", "kernel", "ms", "gmac", "percent_of_peak", "bytes_read", "bytes_written",
                            "note", "bound", "wasted_lanes", "waiting", "cumulative_share"})
      EXPECT_TRUE(l.contains(key)) << key;
    share += l["share"].get<double>();
  }
  EXPECT_NEAR(share, 1, 1e-9);
  EXPECT_GT(json["explained"].get<double>(), 0);
  EXPECT_GT(json["runs"].get<int>(), 4);
  EXPECT_FALSE(json["memory"]["slots"].empty());
  bool missing = false;
  for (const Json& counter : json["machine"]["counters"]) {
    EXPECT_TRUE(counter.is_number() || counter == "n/a") << counter;
    missing |= counter == "n/a";
  }
  EXPECT_EQ(missing, !json["machine"]["counters_remark"].get<std::string>().empty());
}

TEST(Profile, BytesAreThoseCountedByHand) {
  Scratch scratch;
  const Json int8 = profile(scratch, "--precision int8");
  if (detect_cpu().best_isa() != Isa::avx512_vnni) GTEST_SKIP() << "packed weights have another size without VNNI";
  // Two quads of 8x8 pixels of 4 bytes; weights of 2 quads x 9 taps x 6 outputs x 4 bytes.
  ASSERT_TRUE(layer(int8, "wide"));
  EXPECT_EQ((*layer(int8, "wide"))["bytes_read"], 2 * 8 * 8 * 4 + 2 * 9 * 6 * 4);
  EXPECT_EQ((*layer(int8, "wide"))["bytes_written"], 2 * 8 * 8 * 4);
  ASSERT_TRUE(layer(int8, "pool"));
  EXPECT_EQ((*layer(int8, "pool"))["bytes_read"], 2 * 8 * 8 * 4);
  EXPECT_EQ((*layer(int8, "pool"))["bytes_written"], 2 * 4 * 4 * 4);
  // fp32: a plane for each channel, weights of 8 planes x 9 taps x 6 outputs x 4 bytes.
  const Json f32 = profile(scratch, "--precision f32");
  ASSERT_TRUE(layer(f32, "wide"));
  EXPECT_EQ((*layer(f32, "wide"))["bytes_read"], 8 * 8 * 8 * 4 + 8 * 9 * 6 * 4);
  EXPECT_EQ((*layer(f32, "wide"))["bytes_written"], 6 * 8 * 8 * 4);
}

// Of dense tensors, each element that a step moves once.
TEST(Profile, BytesOfCopiesAreThoseTheyMove) {
  auto graph = parse_graph(R"(graph "net"
input %x: f32[4,10]
input %y: f32[4,6]
const %split: s64[2] = {2,8}
const %starts: s64[1] = {2}
const %ends: s64[1] = {4}
const %axes: s64[1] = {1}
const %wide: s64[2] = {4,20}
const %rows: s64[3] = {0,2,2}
%both: f32[4,26] = Concat(%x, %y, %x) name="concat" axis=1
%left: f32[4,2], %right: f32[4,8] = Split(%x, %split) name="split" axis=1
%cut: f32[4,2] = Slice(%y, %starts, %ends, %axes) name="slice"
%column: f32[4,1] = ReduceSum(%x, %axes) name="sum"
%many: f32[4,20] = Expand(%column, %wide) name="expand"
%some: f32[3,10] = Gather(%x, %rows) name="gather"
output %both, %left, %right, %cut, %many, %some
)",
                           op_table());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  ModelOptions options;
  options.tune = false;
  auto model = Model::from_graph(*graph, options);
  ASSERT_TRUE(model.ok()) << model.error().text();
  if (model->isa() == Isa::reference) GTEST_SKIP() << "this machine runs no copies but the reference's";
  const std::map<std::string, std::pair<int64_t, int64_t>> by_hand = {// elements read and written
                                                                      {"concat", {4 * 26, 4 * 26}},
                                                                      {"split", {4 * 10, 4 * 10}},
                                                                      {"slice", {4 * 2, 4 * 2}},
                                                                      {"expand", {4, 4 * 20}},
                                                                      {"gather", {3 * 10 + 3 * 2, 3 * 10}}};
  size_t seen = 0;
  for (const auto& step : model->plan().steps) {
    const auto found = by_hand.find(step->info.name);
    if (found == by_hand.end()) continue;
    ++seen;
    EXPECT_EQ(step->info.bytes_read, 4 * found->second.first) << step->info.name;
    EXPECT_EQ(step->info.bytes_written, 4 * found->second.second) << step->info.name;
  }
  EXPECT_EQ(seen, by_hand.size());
}

TEST(Profile, StepsThatAreNoWorkOfTheNetworkSayWhyTheyExist) {
  auto graph = parse_graph(R"(graph "net"
input %x: u8[1,4,8,8]
input %y: u8[1,4,8,8]
input %f: f32[1,4,8,8]
input %g: f32[6,8]
const %half: f32[1] = {0.5}
const %none: f32[1] = {0}
const %zero: u8[1] = {3}
const %pads: s64[8] = {0,0,1,1,0,0,1,1}
%a: u8[1,4,8,8] = ql.Requantize(%x, %half, %none, %zero) name="rescaled" out_hi=255
%b: u8[1,8,8,8] = Concat(%a, %y) name="both" axis=1
%c: u8[1,8,10,10] = Pad(%b, %pads) name="padded"
%q: u8[1,4,8,8], %scale: f32[], %at: u8[] = DynamicQuantizeLinear(%f) name="planar"
%r: u8[6,8], %scale2: f32[], %at2: u8[] = DynamicQuantizeLinear(%g) name="dense"
%t: u8[8,6] = Transpose(%r) name="turned" perm=[1,0]
output %c, %q, %scale, %at, %scale2, %at2, %t
)",
                           op_table());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  ModelOptions options;
  options.tune = false;
  auto model = Model::from_graph(*graph, options);
  ASSERT_TRUE(model.ok()) << model.error().text();
  if (model->isa() == Isa::reference) GTEST_SKIP() << "this machine runs the reference";
  bool rescaled = false;
  for (const auto& step : model->plan().steps) {
    EXPECT_FALSE(step->info.reference) << step->info.name << ": " << step->info.note;
    EXPECT_NE(step->info.note, "") << step->info.op << " '" << step->info.name << "' " << step->info.kernel;
    if (step->info.name == "rescaled") rescaled = step->info.note.find("'both'") != std::string::npos;
  }
  EXPECT_TRUE(rescaled);
}

// What bench/kernel times of a line that names one of several steps of a node.
TEST(Profile, AStepOfANodeIsTimedByItself) {
  const char *dynamic = "DynamicQuantizeLinear(f32[1,3,28,28])", *pool = "MaxPool(f32[1,3,8,8]) kernel_shape=[2,2]";
  ModelOptions options;
  options.tune = false;
  if (detect_cpu().best_isa() == Isa::reference) GTEST_SKIP() << "this machine runs the reference";
  auto make = [&](const char* node, const char* only) {
    return LayerCase::make(parse_node_alone(node, op_table()).value(), options, only);
  };
  const std::pair<const char*, const char*> steps[] = {
      {dynamic, "range"}, {dynamic, "dynamic scale"}, {pool, "pack"}, {pool, "MaxPool"}, {pool, "unpack"}};
  for (const auto& [node, only] : steps) {
    auto layer = make(node, only);
    ASSERT_TRUE(layer.ok()) << only << ": " << layer.error().text();
    ASSERT_EQ(layer->steps().size(), 1u);
    EXPECT_EQ(layer->steps()[0]->op, only);
    int swept = 0;
    EXPECT_GT(layer->run_cold([&] { ++swept; }).value(), 0);
    EXPECT_EQ(swept, 1) << only;
  }
  EXPECT_EQ(make(dynamic, "")->steps().size(), 3u);
  EXPECT_NE(make(pool, "split phases").error().text().find("'split phases'"), std::string::npos);
}

TEST(Profile, TheBoundIsTheLargestEstimateThatTheTimeDoesNotRefute) {
  Limits limits;
  limits.dots = 3;
  limits.l3 = 2;
  limits.memory = 7;
  EXPECT_STREQ(limits.bound(4).name, "dots");  // from memory it would take 7
  EXPECT_STREQ(limits.bound(6).name, "memory");
  EXPECT_EQ(limits.bound(6).ms, 7);
  EXPECT_STREQ(limits.bound(14).name, "memory");
  EXPECT_STREQ(limits.bound(30).name, "mixed");
  EXPECT_EQ(limits.bound(30).ms, 7);
  EXPECT_STREQ(limits.bound(1).name, "mixed");  // all refuted
  limits.instructions = 8;
  EXPECT_STREQ(limits.bound(13).name, "memory");  // instructions find room beside other work
  EXPECT_STREQ(limits.bound(12).name, "instructions");
}

TEST(Profile, WarnsWhereTheClocksDisturbOrMiss) {
  NetworkProfile profile;
  profile.plain_ms = 1;
  profile.instrumented_ms = 1.02;
  profile.explained = 0.98;
  EXPECT_TRUE(profile.warnings().empty()) << profile.warnings()[0];
  profile.instrumented_ms = 1.04;
  profile.explained = 0.96;
  ASSERT_EQ(profile.warnings().size(), 2u);
  EXPECT_NE(profile.warnings()[0].find("4.0 % longer"), std::string::npos);
  EXPECT_NE(profile.warnings()[1].find("96.0 %"), std::string::npos);
}

TEST(Profile, LanesThatSkipPaddingWasteNone) {
  run::StepInfo info;
  info.gmac_executed = 0.9, info.gmac_lanes = 1;
  EXPECT_NEAR(LayerProfile{&info}.wasted_lanes(), 0.1, 1e-12);
  info.gmac_lanes = 0.8;  // taps that lie in the padding count as executed
  EXPECT_EQ(LayerProfile{&info}.wasted_lanes(), 0);
}

TEST(Table, PadsByCharacters) {
  Table table({"name", "ms"});
  table.add({"größe", "1"});
  table.add({"plain", "10"});
  EXPECT_EQ(table.text(), "name   ms\n-----  --\ngröße   1\nplain  10\n");
}

TEST(Profile, InstructionsBoundStepsWithoutProducts) {
  Machine machine;
  machine.isa = Isa::avx512_vnni;
  machine.peak_int8 = 512;
  machine.rates.clock = 4;
  machine.rates.vector_ops = machine.rates.instructions = 8;  // two a cycle
  run::StepInfo info;
  info.int8 = true;
  info.bytes_written = 64000;  // 1000 vectors, in 500 iterations of 5 cycles
  const Limits limits =
      limits_of(info, HotLoop{{.vector = 10, .loads = 2, .stores = 2, .instructions = 8, .stored_bytes = 128}, {}},
                machine, {}, 0, 1);
  EXPECT_NEAR(limits.instructions, 500 * 5 / 4e6, 1e-12);
  info.gmac_executed = 1;  // then dots say how often the loop runs: 1e9 MAC of 64 a dot
  const HotLoop loops{{.dots = 2, .vector = 4},
                      {.vector = 20, .stores = 16, .stored_bytes = 256}};  // 1000 vectors are 250 tiles
  const Limits of_dots = limits_of(info, loops, machine, {}, 0, 1);
  EXPECT_NEAR(of_dots.instructions, (1e9 / 64 / 2 * 3 + 250 * 10) / 4e6, 1e-9);
}

TEST(Profile, WaitingIsForTheCacheThatARunFits) {
  Machine machine;
  machine.isa = Isa::avx512_vnni;
  machine.cpu.l3_bytes = 32 << 20;
  machine.copy = {.l1 = 400, .l2 = 200, .l3 = 100, .memory = 50};
  run::StepInfo info;
  info.bytes_read = info.bytes_written = 1000000;  // 20 us in L3, 40 in memory
  auto limits = [&](double ms, double waiting, size_t plan_bytes) {
    return limits_of(info, {}, machine, {ms, waiting}, plan_bytes, 1);
  };
  EXPECT_NEAR(limits(0.1, 0.01, 1 << 20).l3, 0.01, 1e-12);
  EXPECT_NEAR(limits(0.1, 0.01, 64 << 20).memory, 0.01, 1e-12);
  EXPECT_NEAR(limits(0.1, 0.03, 64 << 20).memory, 0.04, 1e-12);  // what the bytes take once
  EXPECT_NEAR(limits(0.1, 0.06, 64 << 20).memory, 0.06, 1e-12);  // more than that: latency
  EXPECT_NEAR(limits(0.025, 0.01, 64 << 20).l3, 0.02, 1e-12);    // memory would have taken 40
  EXPECT_EQ(limits(0.025, 0.01, 64 << 20).memory, 0);
}

// Times differ from machine to machine; what is sure is that every step has both, and that the shares are shares.
TEST(Profile, TimesWithDataAtHandAreMeasured) {
  auto graph = parse_graph(R"(graph "net"
input %image: f32[1,64,96,96]
%a: f32[1,64,96,96] = Relu(%image)
%b: f32[1,64,48,48] = MaxPool(%a) kernel_shape=[2,2] strides=[2,2]
output %b
)",
                           op_table());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  auto model = Model::from_graph(*graph, {});
  ASSERT_TRUE(model.ok()) << model.error().text();
  auto times = measure_near_times(model->plan(), 1 << 20, 0);
  ASSERT_TRUE(times.ok()) << times.error().text();
  ASSERT_EQ(times->size(), model->plan().steps.size());
  for (const NearTime& t : *times) {
    EXPECT_GT(t.in_place, 0);
    EXPECT_GT(t.near, 0);
    EXPECT_GE(t.waiting(), 0);
    EXPECT_LT(t.waiting(), 1);
  }
}

TEST(Profile, TraceHasATrackForEachThread) {
  Scratch scratch;
  const Json json = profile(scratch, cat("--streams 2 --threads 2 --trace ", scratch.path("t.json")));
  const Json trace = Json::parse(*read_file(scratch.path("t.json")));
  std::set<int> tracks, named;
  for (const Json& event : trace["traceEvents"]) {
    (event["ph"] == "M" ? named : tracks).insert(event["tid"].get<int>());
    if (event["ph"] != "X") continue;
    EXPECT_GE(event["dur"].get<double>(), 0);
    EXPECT_GE(event["ts"].get<double>(), 0);
  }
  EXPECT_EQ(named.size(), 4u);
  EXPECT_GE(tracks.size(), 2u);
  EXPECT_LE(tracks.size(), 4u);
}

TEST(Profile, PageDrawsItselfInABrowser) {
  Scratch scratch;
  const Json json = profile(scratch, cat("--html ", scratch.path("p.html")));
  const std::string page = *read_file(scratch.path("p.html"));
  EXPECT_EQ(page.find("http"), page.find("http://www.w3.org"));  // names a namespace, loads nothing
  if (run_shell(scratch, "command -v chromium").code != 0) GTEST_SKIP() << "chromium is not installed";
  CommandResult dom = run_shell(scratch, cat("timeout 60 chromium --headless --no-sandbox --disable-gpu --dump-dom "
                                             "--user-data-dir=",
                                             scratch.path("browser"), " file://", scratch.path("p.html")));
  ASSERT_EQ(dom.code, 0) << dom.err;
  EXPECT_NE(dom.out.find(cat("data-ready=\"", json["layers"].size(), "\"")), std::string::npos)
      << "the script stopped before its end";
  for (const char* part : {"<circle", "<rect", "wide", "int8 peak"})
    EXPECT_NE(dom.out.find(part), std::string::npos) << part;
}

TEST(Profile, OutputsThatCannotBeWrittenFailBeforeTheMeasurement) {
  Scratch scratch;
  for (const char* option : {"--json", "--html", "--trace"}) {
    CommandResult r = quadlane(
        scratch, cat("profile ", pooled_net(scratch), " --seconds 60 ", option, " ", scratch.path("no/such/folder/x")));
    EXPECT_EQ(r.code, 1) << option;
    EXPECT_NE(r.err.find("no/such/folder"), std::string::npos) << r.err;
  }
}

TEST(Listing, ShowsLoopsNotesAndCosts) {
  Scratch scratch;
  CommandResult r = quadlane(scratch, cat("inspect ", pooled_net(scratch), " --asm wide"));
  ASSERT_EQ(r.code, 0) << r.err;
  if (r.out.find("without a disassembler") != std::string::npos) GTEST_SKIP() << "built without Zydis";
  for (const char* part : {"dots", "loads", "stores", "an iteration", "bound by", "; epilogue"})
    EXPECT_NE(r.out.find(part), std::string::npos) << part << "\n" << r.out;
}

TEST(Listing, ShowsKernelsOfAnotherPrecision) {
  Scratch scratch;
  CommandResult r = quadlane(scratch, cat("inspect ", pooled_net(scratch), " --precision int8 --no-tune --asm wide"));
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("u8"), std::string::npos) << r.out;
  r = quadlane(scratch, cat("inspect ", pooled_net(scratch), " --precision int8"));
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.err.find("--asm"), std::string::npos) << r.err;
}

TEST(Listing, AnUnknownLayerSuggestsTheNearest) {
  Scratch scratch;
  CommandResult r = quadlane(scratch, cat("inspect ", pooled_net(scratch), " --asm wyde"));
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.err.find("'wide'"), std::string::npos) << r.err;
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  const std::string names[] = {"/down.0/conv1/Conv", "/down.0/conv2/Conv", "head"};
  EXPECT_TRUE(known_name("step", "head", names).ok());
  EXPECT_NE(known_name("step", "conv2", names).error().text().find("/down.0/conv2/Conv"), std::string::npos);
}

// A tile of 2 vectors x 8 outputs: 16 dots a tap, 2 loads of pixels and 8 of weights.
TEST(Listing, CountsTheWorkOfATap) {
  ConvSpec spec;
  spec.pv = 2;
  spec.no = 8;
  spec.pass_registers = 2;
  spec.weight_registers = true;
  spec.taps = {{-4, 0, 4}};
  const MachineCode code = generate(spec).value();
  const run::Kernel kernel{code.name, reinterpret_cast<KernelFn>(reinterpret_cast<uintptr_t>(code.bytes.data())),
                           code.bytes.size(), code.instruction_bytes};
  const std::vector<Instruction> instructions = disassemble(kernel);
  if (instructions.empty()) GTEST_SKIP() << "built without Zydis";
  const std::vector<Loop> loops = find_loops(instructions);
  const auto hot = hot_loop(loops);
  ASSERT_TRUE(hot);
  EXPECT_EQ(hot->mix.dots % (3 * 16), 0);
  EXPECT_EQ(hot->mix.stores, 0);
  EXPECT_GE(hot->mix.loads * 16, hot->mix.dots * 10);  // and one for the list of planes
  EXPECT_GE(hot->depth, 1);
}

// Jumps, constants and loops are moved: every step must still give the same bytes, with twice as much of one kind.
TEST(Crowd, LeavesResultsAsTheyAre) {
  auto graph = parse_graph(R"(graph "net"
input %image: f32[1,3,37,41]
const %w1: f32[20,3,3,3] = random(1)
const %w2: f32[20,1,3,3] = random(2)
const %w3: f32[9,20,1,1] = random(3)
%a: f32[1,20,19,21] = Conv(%image, %w1) pads=[1,1,1,1] strides=[2,2]
%b: f32[1,20,19,21] = Conv(%a, %w2) pads=[1,1,1,1] group=20
%c: f32[1,20,19,21] = Sigmoid(%b)
%d: f32[1,20,10,11] = MaxPool(%c) kernel_shape=[3,3] pads=[1,1,1,1] strides=[2,2]
%e: f32[1,9,10,11] = Conv(%d, %w3)
%f: f32[1,9,1,1] = GlobalAveragePool(%e)
output %f
)",
                           op_table());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  auto outputs = [&](const std::function<void(MachineCode&)>& filter) {
    ModelOptions options;
    options.tune = false;
    options.code_filter = filter;
    Model model = Model::from_graph(*graph, options).value();
    Lane lane = Lane::make(model, {}, 1).value();
    run::Stream stream = model.open_stream().value();
    EXPECT_TRUE(stream.run(views_of(lane.inputs), lane.outputs.views()).ok());
    return std::string(reinterpret_cast<const char*>(lane.outputs[0].data()), lane.outputs[0].type().bytes());
  };
  const std::string plain = outputs({});
  for (Crowd kind : {Crowd::dots, Crowd::accesses, Crowd::instructions, Crowd::everything}) {
    int changed = 0;
    const std::string with_company = outputs([&](MachineCode& code) {
      auto more = crowded(code, kind);
      if (!more) return;
      changed += more->instruction_bytes > code.instruction_bytes;
      code = std::move(*more);
    });
    if (changed == 0) GTEST_SKIP() << "built without Zydis, or nothing is generated here";
    EXPECT_EQ(with_company, plain) << static_cast<int>(kind);
  }
}

TEST(Listing, PressureNamesWhatIsFullFirst) {
  MachineRates rates;
  rates.clock = 4;
  rates.loads = 8;  // two a cycle
  rates.stores = 4;
  rates.vector_ops = 16;
  rates.instructions = 24;
  const Pressure loads = pressure({8, 4, 12, 2, 30}, rates, 8);
  EXPECT_DOUBLE_EQ(loads.cycles(), 6);
  EXPECT_STREQ(loads.bottleneck(), "loads");
  rates.shuffles = 4;  // one a cycle
  const Pressure shuffles = pressure({.dots = 8, .vector = 9, .instructions = 30, .shuffles = 8}, rates, 8);
  EXPECT_DOUBLE_EQ(shuffles.cycles(), 8);
  EXPECT_STREQ(shuffles.bottleneck(), "shuffles");
  const Pressure dots = pressure({24, 4, 12, 2, 40}, rates, 8);
  EXPECT_DOUBLE_EQ(dots.cycles(), 12);
  EXPECT_STREQ(dots.bottleneck(), "dots");
}

}  // namespace
}  // namespace quadlane::tools
