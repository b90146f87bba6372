// Dynamic quantization: ConvInteger and its float tail become ql.Conv, and the same numbers come out.
#include "tests/quant/quant_check.h"

namespace quadlane {
namespace {

constexpr const char* kDynamic = R"(graph "g"
input %x: f32[1,5,9,10]
const %w: u8[6,5,3,3] = random(1)
const %wz: u8[] = {121}
const %ws: f32[] = {0.01}
const %b: f32[1,6,1,1] = random(3)
%q, %s, %z = DynamicQuantizeLinear(%x)
%k = Mul(%s, %ws)
)";

Graph expect_same(std::string_view text, std::string_view expected) {
  Graph before = parsed(text), after = fused_int8(before);
  EXPECT_EQ(ops_of(after), expected) << print(after);
  EXPECT_EQ(f32_difference(after, before, 5), 0) << print(after);
  return after;
}
const Node& conv_of(const Graph& g) {
  for (NodeId id : g.order())
    if (g[id].op == "ql.Conv") return g[id];
  return g[g.order()[0]];
}

TEST(IntegerDynamic, ScaleBiasAndRelu) {
  Graph g = expect_same(cat(kDynamic, R"(
%c = ConvInteger(%q, %w, %z, %wz) pads=[1,1,1,1]
%f = Cast(%c) to=1
%m = Mul(%f, %k)
%a = Add(%m, %b)
%y = Relu(%a)
output %y
)"),
                        "DynamicQuantizeLinear ql.Conv");
  EXPECT_EQ(g[conv_of(g).input(1)].type.dtype, DType::s16);  // random bytes less 121 leave s8
  EXPECT_EQ(conv_of(g).attrs.string_or("act", ""), "clip");
}

TEST(IntegerDynamic, ResidualStrideAndNoBias) {
  expect_same(cat(kDynamic, R"(
const %v: u8[6,6,1,1] = random(4)
%c = ConvInteger(%q, %w, %z, %wz) strides=[2,1] pads=[1,1,1,1]
%f = Cast(%c) to=1
%m = Mul(%k, %f)
%q2, %s2, %z2 = DynamicQuantizeLinear(%m)
%c2 = ConvInteger(%q2, %v, %z2)
%f2 = Cast(%c2) to=1
%m2 = Mul(%f2, %s2)
%a2 = Add(%m2, %b)
%y = Add(%a2, %m)
output %y
)"),
              "DynamicQuantizeLinear ql.Conv DynamicQuantizeLinear ql.Conv");
}

TEST(IntegerDynamic, KnownScaleAndZeroPoint) {
  Graph g = expect_same(R"(graph "g"
input %x: f32[1,4,5,6]
const %s: f32[] = {0.02}
const %z: u8[] = {100}
const %w: s8[3,4,3,3] = random(2)
const %k: f32[3,1,1] = {0.001,0.002,0.003}
%q = QuantizeLinear(%x, %s, %z)
%c = ConvInteger(%q, %w, %z) pads=[1,1,1,1]
%f = Cast(%c) to=1
%y = Mul(%f, %k)
output %y
)",
                        "ql.Quantize ql.Conv");
  EXPECT_EQ(to_ints(g.constant(conv_of(g).input(4))->view()), (std::vector<int64_t>(4, 100)));
}

TEST(IntegerDynamic, LeavesWhatItCannotProve) {
  // The sum itself is read.
  expect_same(cat(kDynamic, R"(
%c = ConvInteger(%q, %w, %z, %wz)
%f = Cast(%c) to=1
%y = Mul(%f, %k)
%i = Cast(%c) to=1
output %y
output %i
)"),
              "DynamicQuantizeLinear Mul ConvInteger Cast Mul Cast");
}

TEST(IntegerConv, WeightsWithZeroPoints) {
  Graph before = parsed(R"(graph "g"
input %x: f32[1,4,9,10]
const %s: f32[] = {0.02}
const %z: u8[] = {120}
const %t: f32[] = {0.7}
const %w: u8[6,4,3,3] = random(1)
const %ws: f32[6] = {0.01,0.02,0.005,0.01,0.015,0.002}
const %wz: u8[6] = {128,0,255,100,150,127}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%dw = DequantizeLinear(%w, %ws, %wz) axis=0
%c = Conv(%d, %dw) pads=[1,1,1,1]
%y = QuantizeLinear(%c, %t, %z)
output %y
)");
  Graph after = fused_int8(before);
  EXPECT_EQ(ops_of(after), "ql.Quantize ql.Conv");
  EXPECT_EQ(after[conv_of(after).input(1)].type.dtype, DType::s16);
  EXPECT_GE(compare_levels(after, before, 3).share(), 0.999);
}

}  // namespace
}  // namespace quadlane
