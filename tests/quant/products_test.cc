// Fully connected layers on sequences in the form for Quadlane.
#include "graph/quant/products.h"

#include "tests/quant/quant_check.h"

namespace quadlane {
namespace {

// A block of a transformer: scores of two computed operands, and a head of few columns behind it.
constexpr char kBlock[] = R"(graph "g"
input %x: f32[2,6,32]
const %q: f32[32,32] = random(1)
const %k: f32[32,32] = random(2)
const %v: f32[32,64] = random(3)
const %b: f32[64] = random(4)
const %w: f32[64,24] = random(5)
const %h: f32[24,5] = random(6)
%a = MatMul(%x, %q)
%c = MatMul(%x, %k)
%t = Transpose(%c) perm=[0,2,1]
%scores = MatMul(%a, %t)
%p = Softmax(%scores) axis=-1
%y = MatMul(%p, %x)
%f = MatMul(%y, %v)
%s = Add(%f, %b)
%r = Relu(%s)
%o = MatMul(%r, %w)
%z = MatMul(%o, %h)
output %z
)";

struct Quantized {
  Graph fp32, qdq;
  QuantReport report;
};
Quantized quantized_block(QuantPolicy policy = {}) {
  Quantized result{simplified(parsed(kBlock)), {}, {}};
  auto q = quantize(result.fp32, op_table(), profile_of(result.fp32, 6), policy, &result.report);
  EXPECT_TRUE(q.ok()) << (q.ok() ? "" : q.error().text());
  if (q.ok()) result.qdq = *std::move(q);
  return result;
}

TEST(Products, RunOnBytes) {
  Quantized block = quantized_block();
  Graph int8 = fused_int8(block.qdq);
  // One of x for two products; the Relu and the bytes behind it belong to the product in front.
  EXPECT_EQ(ops_of(int8),
            "ql.Quantize ql.MatMul ql.MatMul Transpose MatMul Softmax MatMul ql.Quantize ql.MatMul ql.MatMul MatMul")
      << print(int8);
  EXPECT_EQ(compare_levels(int8, block.qdq, 1).share(), 1);
  EXPECT_GT(sqnr(int8, block.fp32, 1), 29);
}

TEST(Products, AreCountedAsLayers) {
  Quantized block = quantized_block();
  EXPECT_EQ(block.report.layers, 5);
  EXPECT_EQ(block.report.int8.size(), 4u);
  ASSERT_EQ(block.report.notes.size(), 2u);
  EXPECT_NE(block.report.notes[0].find("its few columns"), std::string::npos) << block.report.notes[0];
  EXPECT_NE(block.report.notes[1].find("2 products without a matrix of constant weights"), std::string::npos)
      << block.report.notes[1];
  Quantized kept = quantized_block({.keep_f32 = {block.report.int8.begin(), block.report.int8.end()}});
  EXPECT_TRUE(kept.report.int8.empty());
  EXPECT_FALSE(has_quantizers(kept.qdq));
  EXPECT_EQ(kept.report.layers, 5);
}

// A profile knows the columns of what a product reads, not only axis 1.
TEST(Products, KnowTheirColumns) {
  Graph g = simplified(parsed(kBlock));
  const Profile profile = profile_of(g, 2);
  const ValueProfile *tokens = profile.find("x"), *columns = profile.find(by_columns("x"));
  ASSERT_TRUE(tokens && columns);
  EXPECT_EQ(tokens->channels(), 6u);
  EXPECT_EQ(columns->channels(), 32u);
  EXPECT_EQ(tokens->lowest(), columns->lowest());
  EXPECT_EQ(tokens->count * 6, columns->count * 32);
}

// What rounding the weights adds on average is taken back: the mean of each column stays.
TEST(Products, BiasTakesRoundingBack) {
  Graph g = simplified(parsed(R"(graph "g"
input %x: f32[1,40,32]
const %one: f32[] = {3}
const %v: f32[32,16] = random(3)
%s = Add(%x, %one)
%y = MatMul(%s, %v)
output %y
)"));
  QuantPolicy plain;
  plain.bias_correction = false;
  const Profile profile = profile_of(g, 8);
  EXPECT_GT(sqnr(quantized(g, profile), g, 1), sqnr(quantized(g, profile, plain), g, 1));
}

}  // namespace
}  // namespace quadlane
