// Plan files of earlier days, kept in tests/golden: what once loaded loads, and gives the same bytes. HACKING.md says
// when to add some.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "engine/base/sha256.h"
#include "engine/c/quadlane.h"
#include "tests/c/small_plan.h"

namespace quadlane {
namespace {

const std::string kFolder = QUADLANE_REPOSITORY "/tests/golden/";

// Both kinds of convolution, a concat without a copy, a pool, and a dense end; bytes all the way.
constexpr const char* kNetwork = R"(graph "golden"
input %x: f32[1,3,12,10]
const %s: f32[] = {0.02}
const %z: u8[] = {120}
const %t: f32[] = {0.05}
const %zero: u8[] = {0}
const %w: s8[6,3,3,3] = random(1)
const %ws: f32[6] = {0.01,0.02,0.005,0.01,0.015,0.002}
const %wz: s8[6] = zeros
const %b: s32[6] = {100,-2000,3000,0,7,50}
const %bs: f32[6] = {0.0002,0.0004,0.0001,0.0002,0.0003,0.00004}
const %bz: s32[6] = zeros
const %v: s8[4,6,3,3] = random(2)
const %vs: f32[] = {0.004}
const %vz: s8[] = {0}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%dw = DequantizeLinear(%w, %ws, %wz) axis=0
%db = DequantizeLinear(%b, %bs, %bz) axis=0
%dv = DequantizeLinear(%v, %vs, %vz)
%c = Conv(%d, %dw, %db) pads=[1,1,1,1]
%r = Relu(%c)
%rq = QuantizeLinear(%r, %t, %zero)
%rd = DequantizeLinear(%rq, %t, %zero)
%p = MaxPool(%rd) kernel_shape=[2,2] strides=[2,2]
%e = Conv(%p, %dv) pads=[1,1,1,1]
%eq = QuantizeLinear(%e, %t, %z)
output %eq
)";

// "FILE SHA256-OF-THE-OUTPUT" in each line.
std::vector<std::pair<std::string, std::string>> listed() {
  std::vector<std::pair<std::string, std::string>> lines;
  std::ifstream file(kFolder + "outputs.txt");
  for (std::string name, hash; file >> name >> hash;) lines.emplace_back(name, hash);
  return lines;
}

// Runs the file on numbers that count up; the output's SHA-256, or what went wrong.
std::string output_hash(const std::string& path, std::string* way = nullptr) {
  ql_error error = QL_ERROR_INIT;
  ql_plan* plan = nullptr;
  ql_stream* stream = nullptr;
  ql_tensor_info in = QL_TENSOR_INFO_INIT, out = QL_TENSOR_INFO_INIT;
  std::vector<float> x;
  std::string y;
  const bool opened = !ql_plan_open(path.c_str(), nullptr, &plan, &error) && !ql_plan_input(plan, 0, &in, &error) &&
                      !ql_plan_output(plan, 0, &out, &error) && !ql_stream_open(plan, nullptr, &stream, &error);
  if (opened) {
    for (size_t i = 0; i < in.bytes / 4; ++i) x.push_back(static_cast<float>(i % 23) * 0.2f - 2.0f);
    y.resize(out.bytes);
    (void)(!ql_stream_bind_input(stream, 0, x.data(), in.bytes, &error) &&
           !ql_stream_bind_output(stream, 0, y.data(), out.bytes, &error) && !ql_stream_run(stream, nullptr, &error));
  }
  if (way && plan) *way = ql_plan_way(plan);
  ql_stream_close(stream);
  ql_plan_close(plan);
  return error.code == QL_OK ? sha256_hex(y) : std::string(error.message);
}

TEST(Golden, EveryFileRunsAsItDid) {
  if (!QUADLANE_REFERENCES) GTEST_SKIP() << "built without references";
  const auto files = listed();
  EXPECT_GE(files.size(), 2u);
  for (const auto& [name, hash] : files) {
    std::string way;
    EXPECT_EQ(output_hash(kFolder + name, &way), hash) << name;
    const bool runs_its_code = name.find("aot") != name.npos && detect_cpu().runs(Isa::avx2);
    EXPECT_EQ(way == "mapped from the plan file", runs_its_code) << name << ": " << way;
  }
}

// The engine, which generates code where a file has none, reads the same files.
TEST(Golden, TheEngineReadsThem) {
  for (const auto& [name, hash] : listed()) {
    auto model = Model::load_plan(kFolder + name, {.tune = false});
    EXPECT_TRUE(model.ok()) << name << ": " << model.error().text();
  }
}

// Writes files of this version: --gtest_also_run_disabled_tests --gtest_filter=Golden.DISABLED_Write
TEST(Golden, DISABLED_Write) {
  auto graph = parse_graph(kNetwork, op_table());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  std::ofstream outputs(kFolder + "outputs.txt");
  const std::string version = cat(run::kPlanMajor, ".", run::kPlanMinor);
  for (bool ahead : {false, true}) {
    PlanFileOptions options{.isas = {Isa::avx2}, .ahead = ahead};
    options.about.model_name = "golden";
    auto bytes = make_plan_file(Graph(*graph), {.tune = false}, options);
    ASSERT_TRUE(bytes.ok()) << bytes.error().text();
    const std::string name = cat("v", version, ahead ? "_aot.qlp" : ".qlp");
    std::ofstream(kFolder + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes->data()), static_cast<std::streamsize>(bytes->size()));
    outputs << name << " " << output_hash(kFolder + name) << "\n";
  }
}

}  // namespace
}  // namespace quadlane
