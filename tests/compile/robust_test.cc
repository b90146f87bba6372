// Numbers and shapes at the ends of what there is: right, as the scalar reference has it, or refused in one sentence.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "graph/passes/pass.h"
#include "graph/text.h"
#include "ops/table.h"
#include "tests/compile/plan_check.h"

namespace quadlane::testing {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

struct Palette {
  const char* name;
  std::vector<float> values;
  bool sums_overflow = false;  // then the order of a sum decides between infinities and numbers
};
const Palette kPalettes[] = {{"NaN", {kNan, 1, -1, 0.5f}},
                             {"infinities", {kInf, -kInf, 1, -2}},
                             {"denormals", {1e-40f, -1e-41f, 1e-45f}},
                             {"huge", {1e36f, -1e36f, 1e30f}},
                             {"largest", {3e38f, -3e38f, 1e30f}, true},
                             {"zero", {0.0f, -0.0f}},
                             {"mixed", {kNan, kInf, -kInf, 1e-40f, 3e36f, 0, 1}}};

// "" or what is wrong; what does not get through the passes is refused, which is fine where `may_refuse`.
std::string check(std::string_view text, PlanCheck how, bool may_refuse = false) {
  auto graph = parse_graph(text, op_table());
  if (!graph.ok()) return may_refuse ? "" : graph.error().text();
  for (const auto& passes : {simplify_passes(), fuse_int8_passes(), fuse_f32_passes()})
    if (Status s = run_passes(*graph, op_table(), passes); !s.ok()) return may_refuse ? "" : s.error().text();
  return check_plan(*graph, how);
}

void expect_right(std::string_view text, const PlanCheck& how = {}, bool may_refuse = false) {
  for (Isa isa : {Isa::avx2, Isa::avx512_vnni}) {
    if (!detect_cpu().runs(isa)) continue;
    PlanCheck each = how;
    each.isa = isa;
    each.runs = 1;
    EXPECT_EQ(check(text, each, may_refuse), "") << to_string(isa);
  }
}

// x -> u8 -> conv -> u8 -> pool -> u8, with what the test wants different.
std::string quantized(std::string_view scale, std::string_view weights = "random(1)", std::string_view wscale = "0.01",
                      std::string_view shape = "1,3,6,7", std::string_view channels = "3") {
  return cat(R"(graph "g"
input %x: f32[)",
             shape, R"(]
const %s: f32[] = {)",
             scale, R"(}
const %z: u8[] = {120}
const %w: s8[5,)",
             channels, R"(,3,3] = )", weights, R"(
const %ws: f32[] = {)",
             wscale, R"(}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%dw = DequantizeLinear(%w, %ws)
%c = Conv(%d, %dw) pads=[1,1,1,1]
%r = Relu(%c)
%y = QuantizeLinear(%r, %s, %z)
%e = DequantizeLinear(%y, %s, %z)
%p = MaxPool(%e) kernel_shape=[2,2] strides=[1,1] pads=[1,1,0,0]
%o = QuantizeLinear(%p, %s, %z)
output %y
output %o
)");
}

TEST(Robust, ValuesThatAreNoNumbersInInt8) {
  for (const Palette& palette : kPalettes) {
    SCOPED_TRACE(palette.name);
    expect_right(quantized("0.02"), {.palette = palette.values});
  }
}

TEST(Robust, ScalesAtTheEndsOfTheRange) {
  for (const char* scale : {"1e30", "1e-30", "3e38", "1e-38", "1e-44", "0.0", "-1.0", "inf", "nan"}) {
    SCOPED_TRACE(scale);
    expect_right(quantized(scale), {}, true);
    expect_right(quantized("0.02", "random(1)", scale), {}, true);
  }
}

TEST(Robust, WeightsOfZeroAndOfOneKind) {
  for (const char* weights : {"zeros", "fill(-128)", "fill(127)"}) {
    SCOPED_TRACE(weights);
    expect_right(quantized("0.02", weights));
    expect_right(quantized("0.02", weights), {.palette = {1e9f, -1e9f}});
  }
}

std::string f32(std::string_view shape, int64_t channels, int kernel = 3) {
  const int pad = kernel / 2;
  return cat("graph \"g\"\ninput %x: f32[", shape, "]\nconst %w: f32[4,", channels, ",", kernel, ",", kernel,
             "] = random(1)\n%c = Conv(%x, %w) pads=[", pad, ",", pad, ",", pad, ",", pad,
             "]\n%r = Relu(%c)\n%y = Add(%r, %c)\noutput %y\n");
}

TEST(Robust, ShapesOfOnePixelAndOfOneLine) {
  for (const char* shape : {"1,3,1,1", "1,3,1,4097", "1,3,4097,1", "5,3,1,2", "1,3,2,1"}) {
    SCOPED_TRACE(shape);
    expect_right(f32(shape, 3));
    expect_right(quantized("0.02", "random(1)", "0.01", shape));
  }
}

TEST(Robust, WideAndDeep) {
  expect_right(f32("1,2,3,16384", 2));
  expect_right(quantized("0.02", "random(1)", "0.01", "1,3,2,16384"));
  expect_right(f32("1,4096,3,3", 4096, 1));
  expect_right(quantized("0.02", "random(1)", "0.0001", "1,4100,3,3", "4100"));
}

// fp32: what is no number stays none, infinities have their sign; a ReLU in front of that is the reference's.
TEST(Robust, ValuesThatAreNoNumbersInF32) {
  for (const Palette& palette : kPalettes) {
    if (palette.sums_overflow) continue;
    SCOPED_TRACE(palette.name);
    expect_right(f32("1,3,5,6", 3), {.palette = palette.values});
  }
}

}  // namespace
}  // namespace quadlane::testing
