// Matrix products of dequantized bytes, and the forms in which quantizers leave their weights and signed activations.
#include "tests/quant/quant_check.h"

namespace quadlane {
namespace {

Graph expect_integer(std::string_view text, std::string_view expected, double tolerance = 0.01) {
  Graph before = parsed(text), after = fused_int8(before);
  EXPECT_EQ(ops_of(after), expected) << print(after);
  LevelAgreement levels = compare_levels(after, before, 3);
  if (levels.compared) {
    EXPECT_GE(levels.share(), 0.999) << print(after);
  }
  EXPECT_LT(f32_difference(after, before, 3), tolerance) << print(after);
  return after;
}
const Node& product_of(const Graph& g) {
  for (NodeId id : g.order())
    if (g[id].op == "ql.MatMul") return g[id];
  ADD_FAILURE() << "no ql.MatMul in " << ops_of(g);
  return g[g.order()[0]];
}

constexpr const char* kInput = R"(graph "g"
input %x: f32[3,20]
const %s: f32[] = {0.02}
const %z: u8[] = {120}
const %t: f32[] = {0.05}
const %u: u8[] = {7}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
)";

TEST(IntegerMatMul, PerColumnWeightsBiasAndRelu) {
  Graph g = expect_integer(cat(kInput, R"(
const %w: s8[20,4] = random(1)
const %ws: f32[4] = {0.01,0.02,0.005,0.01}
const %wz: s8[4] = {0,3,-5,0}
const %b: f32[4] = random(2)
%dw = DequantizeLinear(%w, %ws, %wz) axis=1
%m = MatMul(%d, %dw)
%a = Add(%m, %b)
%r = Relu(%a)
%y = QuantizeLinear(%r, %t, %u)
output %y
)"),
                           "ql.Quantize ql.MatMul");
  EXPECT_EQ(product_of(g).attrs.ints_or("b_zero", {}), (std::vector<int64_t>{0, 3, -5, 0}));
  EXPECT_EQ(product_of(g).attrs.int_or("out_lo", -1), 7);
}

TEST(IntegerMatMul, GemmWithTransposedWeightsAndIntegerBias) {
  Graph g = expect_integer(cat(kInput, R"(
const %w: u8[4,20] = random(1)
const %ws: f32[] = {0.01}
const %wz: u8[] = {131}
const %c: s32[4] = {100,-2000,3000,0}
const %cs: f32[] = {0.0002}
%dw = DequantizeLinear(%w, %ws, %wz)
%dc = DequantizeLinear(%c, %cs)
%y = Gemm(%d, %dw, %dc) transB=1
output %y
)"),
                           "ql.Quantize ql.MatMul");
  EXPECT_EQ(g[product_of(g).input(1)].type, (TensorType{DType::u8, {20, 4}}));
}

TEST(IntegerMatMul, WeightsBehindATransposition) {
  expect_integer(cat(kInput, R"(
const %w: s8[4,20] = random(1)
const %ws: f32[4] = {0.01,0.02,0.005,0.01}
%dw = DequantizeLinear(%w, %ws) axis=0
%wt = Transpose(%dw) perm=[1,0]
%m = MatMul(%d, %wt)
%y = QuantizeLinear(%m, %t, %u)
output %y
)"),
                 "ql.Quantize ql.MatMul");
}

TEST(IntegerMatMul, TwoActivations) {
  expect_integer(cat(kInput, R"(
input %x2: f32[20,6]
%q2 = QuantizeLinear(%x2, %t, %u)
%d2 = DequantizeLinear(%q2, %t, %u)
%y = MatMul(%d, %d2)
output %y
)"),
                 "ql.Quantize ql.Quantize ql.MatMul");
}

// 255 * 255 for each of the products is the most that two activations can make, 255 * sum |b| with a constant.
TEST(IntegerMatMul, DeclinesSumsThatMightOverflow) {
  auto product = [](int depth, const char* right) {
    return ops_of(fused_int8(parsed(cat(R"(graph "g"
input %x: f32[1,)",
                                        depth, "]\ninput %x2: f32[", depth, R"(,1]
const %s: f32[] = {0.02}
const %z: u8[] = {0}
const %w: u8[)",
                                        depth, R"(,1] = random(1)
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%q2 = QuantizeLinear(%x2, %s, %z)
%d2 = DequantizeLinear(%q2, %s, %z)
%dw = DequantizeLinear(%w, %s, %z)
%m = MatMul(%d, )",
                                        right, ")\noutput %m\n"))));
  };
  EXPECT_EQ(product(33025, "%d2"), "ql.Quantize ql.Quantize ql.MatMul");
  EXPECT_EQ(product(33026, "%d2"), "ql.Quantize ql.Dequantize ql.Quantize ql.Dequantize MatMul");
  EXPECT_EQ(product(60000, "%dw"), "ql.Quantize ql.MatMul");
  EXPECT_EQ(product(75000, "%dw"), "ql.Quantize ql.Dequantize MatMul");
}

// Operator form of a signed model: the bytes are pooled before they are dequantized.
TEST(HoistDequantize, SignedPoolAndConcatBecomeUnsigned) {
  expect_integer(R"(graph "g"
input %x: f32[1,4,8,8]
const %s: f32[] = {0.02}
const %z: s8[] = {-8}
const %t: f32[] = {0.4}
const %w: s8[6,8,3,3] = random(1)
const %ws: f32[] = {0.01}
%q = QuantizeLinear(%x, %s, %z)
%p = MaxPool(%q) kernel_shape=[2,2] strides=[2,2]
%k = Concat(%p, %p) axis=1
%d = DequantizeLinear(%k, %s, %z)
%dw = DequantizeLinear(%w, %ws)
%c = Conv(%d, %dw) pads=[1,1,1,1]
%yq = QuantizeLinear(%c, %t, %z)
%y = DequantizeLinear(%yq, %t, %z)
output %y
)",
                 "ql.Quantize MaxPool Concat ql.Conv ql.Dequantize", 0.05);
}

TEST(FoldOperands, ABiasStoredAsIntegers) {
  expect_integer(R"(graph "g"
input %x: f32[1,4,8,8]
const %s: f32[] = {0.02}
const %z: u8[] = {120}
const %t: f32[] = {0.03}
const %b: s8[1,4,1,1] = {10,-3,100,0}
const %bs: f32[] = {0.01}
%q = QuantizeLinear(%x, %s, %z)
%d = DequantizeLinear(%q, %s, %z)
%db = DequantizeLinear(%b, %bs)
%a = Add(%d, %db)
%y = QuantizeLinear(%a, %t, %z)
output %y
)",
                 "ql.Quantize ql.Requantize");
}

// A scale or zero point that only a run knows: nothing to be computed before.
TEST(FoldOperands, LeavesParametersThatAreNoConstants) {
  for (const char* parameters :
       {"input %s: f32[]\nconst %z: u8[] = {3}\n", "input %z: u8[]\nconst %s: f32[] = {0.5}\n"}) {
    Graph g = parsed(cat("graph \"g\"\ninput %x: f32[1,4]\n", parameters, R"(
const %b: u8[4] = {10,3,100,0}
%d = DequantizeLinear(%b, %s, %z)
%y = Add(%x, %d)
output %y
)"));
    EXPECT_EQ(ops_of(after_passes(g, fuse_int8_passes())), "DequantizeLinear Add");
    EXPECT_EQ(ops_of(after_passes(g, fuse_f32_passes())), "DequantizeLinear Add");
  }
}

}  // namespace
}  // namespace quadlane
