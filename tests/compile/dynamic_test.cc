// Dynamic quantization and weights with zero points as whole plans, against the references.
#include <gtest/gtest.h>

#include <random>

#include "graph/passes/pass.h"
#include "graph/text.h"
#include "ops/table.h"
#include "tests/compile/plan_check.h"

namespace quadlane::testing {
namespace {

Graph fused(const std::string& text) {
  auto graph = parse_graph(text, op_table());
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  if (!graph.ok()) return {};
  Graph g = *std::move(graph);
  for (auto passes : {simplify_passes(), fuse_int8_passes(), fuse_f32_passes()}) {
    Status s = run_passes(g, op_table(), passes);
    EXPECT_TRUE(s.ok()) << s.error().text();
  }
  return g;
}

void expect_agreement(const std::string& text, unsigned seed) {
  Graph g = fused(text);
  for (Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni}) {
    PlanCheck check;
    check.isa = isa;
    check.seed = seed;
    check.threads = 1 + static_cast<int>(seed % 3);
    check.tolerance = 0;  // floats, but every step is specified to the bit
    check.expect_no_reference = true;
    EXPECT_EQ(check_plan(g, check), "") << text << " seed " << seed << " on " << to_string(isa);
  }
}

// Random bytes with a zero point anywhere: weights that need one, two or three parts.
std::string dynamic_conv(unsigned seed) {
  std::mt19937 rng(seed);
  auto pick = [&](int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); };
  const int n = pick(1, 2), c = pick(1, 9), o = pick(1, 14), k = pick(1, 3), stride = pick(1, 2), d = pick(1, 2);
  const int h = pick(6, 14), w = pick(6, 30), pad = pick(0, k);
  const int zeros[] = {0, 1, 100, 128, 200, 255};
  return cat("graph \"g\"\ninput %x: f32[", n, ",", c, ",", h, ",", w, "]\nconst %w: u8[", o, ",", c, ",", k, ",", k,
             "] = random(", seed, ")\nconst %wz: u8[] = {", zeros[seed % 6],
             "}\nconst %ws: f32[] = {0.01}\nconst %b: f32[", o, ",1,1] = random(", seed + 1,
             ")\n%q, %s, %z = DynamicQuantizeLinear(%x)\n%k = Mul(%s, %ws)\n",
             "%c = ConvInteger(%q, %w, %z, %wz) pads=[", pad, ",", pad, ",", pad, ",", pad, "] strides=[", stride, ",",
             stride, "] dilations=[", d, ",", d, "]\n%f = Cast(%c) to=1\n%m = Mul(%f, %k)\n%a = Add(%m, %b)\n",
             seed % 2 ? "%y = Relu(%a)\n" : "%y = Add(%a, %m)\n", "output %y\n");
}

TEST(DynamicPlan, ConvIntegerOfAnyShape) {
  for (unsigned seed = 1; seed <= 18; ++seed) expect_agreement(dynamic_conv(seed), seed);
}

TEST(DynamicPlan, ScaleAndZeroPointMayBeAbsent) {
  for (const char* shape : {"1,3,5,5", "4,6"})
    for (const char* more : {"", ", %s"}) {
      Graph g =
          fused(cat("graph \"g\"\ninput %x: f32[", shape, "]\n%q", more, " = DynamicQuantizeLinear(%x)\noutput %q\n"));
      EXPECT_EQ(check_plan(g, {}), "") << shape << more;
    }
}

TEST(DynamicPlan, OneQuantizationForSeveralConvolutions) {
  expect_agreement(R"(graph "g"
input %x: f32[1,6,9,11]
const %w: u8[5,6,3,3] = random(1)
const %v: u8[5,6,1,1] = random(2)
const %wz: u8[] = {127}
const %ws: f32[] = {0.01}
%r = Relu(%x)
%q, %s, %z = DynamicQuantizeLinear(%r)
%k = Mul(%s, %ws)
%c = ConvInteger(%q, %w, %z, %wz) pads=[2,2,2,2] dilations=[2,2]
%cf = Cast(%c) to=1
%cm = Mul(%cf, %k)
%d = ConvInteger(%q, %v, %z, %wz)
%df = Cast(%d) to=1
%dm = Mul(%df, %k)
%y = Add(%cm, %dm)
output %y
)",
                   3);
}

TEST(DynamicPlan, ScaleAndZeroPointAreOutputs) {
  Graph g = fused(R"(graph "g"
input %x: f32[2,5,4,7]
%y, %s, %z = DynamicQuantizeLinear(%x)
output %y
output %s
output %z
)");
  for (Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni})
    EXPECT_EQ(check_plan(g, {.isa = isa, .threads = 2, .tolerance = 0, .expect_no_reference = true}), "");
}

TEST(DynamicPlan, StaticWeightsWithZeroPoints) {
  for (unsigned seed = 1; seed <= 6; ++seed)
    expect_agreement(cat(R"(graph "g"
input %x: f32[1,7,9,10]
const %s: f32[] = {0.02}
const %z: u8[] = {120}
const %t: f32[] = {0.7}
const %w: u8[6,7,3,3] = random()",
                         seed, R"()
const %ws: f32[6] = {0.01,0.02,0.005,0.01,0.015,0.002}
const %wz: u8[6] = {128,0,255,100,150,127}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%dw = DequantizeLinear(%w, %ws, %wz) axis=0
%c = Conv(%d, %dw) pads=[1,1,1,1] strides=[)",
                         1 + seed % 2, ",", 1 + seed / 2 % 2, R"(]
%y = QuantizeLinear(%c, %t, %z)
output %y
)"),
                     seed);
}

// On dense tensors: the range of chunks, the product with a zero point known at run time, its float tail.
TEST(DynamicPlan, MatMulIntegerOfAnyRank) {
  for (const char* shape : {"[4,20]", "[2,3,20]", "[1000,20]"})
    expect_agreement(cat("graph \"g\"\ninput %x: f32", shape, R"(
const %w: u8[20,7] = random(1)
const %wz: u8[7] = {0,128,255,100,150,127,3}
const %ws: f32[7] = {0.01,0.02,0.005,0.01,0.015,0.002,0.03}
const %b: f32[7] = random(2)
%q, %s, %z = DynamicQuantizeLinear(%x)
%c = MatMulInteger(%q, %w, %z, %wz)
%f = Cast(%c) to=1
%k = Mul(%s, %ws)
%m = Mul(%f, %k)
%y = Add(%m, %b)
output %y
)"),
                     1);
}

}  // namespace
}  // namespace quadlane::testing
