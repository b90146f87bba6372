// Fully connected layers as convolutions: the same results, and integers all through once quantized.
#include "tests/quant/quant_check.h"

namespace quadlane {
namespace {

TEST(DenseAsConv, GemmBehindAPoolReadsItsImage) {
  expect_rewrite("dense_as_conv", R"(graph "g"
input %x: f32[2,6,5,4]
const %w: f32[3,6] = random(1)
const %b: f32[3] = random(2)
%p = GlobalAveragePool(%x)
%f = Flatten(%p)
%y = Gemm(%f, %w, %b) transB=1 alpha=0.5 beta=2.0
output %y
)",
                 "GlobalAveragePool Conv Reshape");
}

TEST(DenseAsConv, KernelsCoverTheFlattenedImage) {
  constexpr const char* kRest = R"(
const %w: f32[24,3] = random(1)
const %b: f32[1,3] = random(2)
const %s: s64[2] = {2,24}
%f = Reshape(%t, %s)
%m = MatMul(%f, %w)
%y = Add(%b, %m)
output %y
)";
  expect_rewrite("dense_as_conv", cat("graph \"g\"\ninput %t: f32[2,4,3,2]", kRest), "Conv Reshape");
  expect_rewrite("dense_as_conv", cat("graph \"g\"\ninput %x: f32[2,4,3,2]\n%t = Transpose(%x) perm=[0,2,3,1]", kRest),
                 "Conv Reshape");
}

TEST(DenseAsConv, ChainsStayImages) {
  expect_rewrite("dense_as_conv", R"(graph "g"
input %x: f32[3,7]
const %v: f32[7,5] = random(1)
const %w: f32[5,4] = random(2)
const %c: f32[] = {0.25}
const %lo: f32[] = {-0.1}
%a = Gemm(%x, %v, %c)
%l = Clip(%a, %lo)
%r = Sigmoid(%l)
%y = MatMul(%r, %w)
output %y
)",
                 "Reshape Conv Clip Sigmoid Conv Reshape");
}

TEST(DenseAsConv, LeavesWhatIsNoLayer) {
  // A product of two activations, of a matrix for each row, and an addend for each row.
  for (const char* text : {R"(graph "g"
input %x: f32[3,7]
input %w: f32[7,5]
%y = MatMul(%x, %w)
output %y
)",
                           R"(graph "g"
input %x: f32[2,3,7]
const %w: f32[7,5] = random(1)
%y = MatMul(%x, %w)
output %y
)",
                           R"(graph "g"
input %x: f32[3,7]
const %w: f32[7,5] = random(1)
const %c: f32[3,1] = random(2)
%y = Gemm(%x, %w, %c)
output %y
)"}) {
    Graph g = parsed(text);
    EXPECT_EQ(ops_of(after_pass(g, "dense_as_conv")), ops_of(g));
  }
}

constexpr const char* kClassifier = R"(graph "g"
input %x: f32[2,3,8,8]
const %k: f32[16,3,3,3] = random(1)
const %v: f32[20,16] = random(2)
const %w: f32[20,10] = random(3)
const %b: f32[20] = random(4)
%c = Conv(%x, %k) pads=[1,1,1,1]
%r = Relu(%c)
%p = GlobalAveragePool(%r)
%f = Flatten(%p)
%h = Gemm(%f, %v, %b) transB=1
%a = Relu(%h)
%y = MatMul(%a, %w)
output %y
)";

TEST(DenseAsConv, ClassifiersAreIntegersToTheEnd) {
  Graph fp32 = simplified(parsed(kClassifier)), qdq = quantized(fp32, profile_of(fp32, 4)), int8 = fused_int8(qdq);
  EXPECT_EQ(ops_of(int8), "ql.Quantize ql.Conv ql.GlobalAveragePool ql.Conv ql.Conv Reshape") << print(int8);
  EXPECT_EQ(compare_levels(int8, qdq, 1).share(), 1);
  EXPECT_GT(sqnr(int8, fp32, 1), 30);
}

// The form for any engine keeps the products as they are.
TEST(DenseAsConv, ProductsOfTheCommonForm) {
  Graph fp32 = after_passes(parsed(kClassifier), simplify_passes());
  QuantReport report;
  auto qdq = quantize(fp32, op_table(), profile_of(fp32, 4), {.form = QuantForm::for_any}, &report);
  ASSERT_TRUE(qdq.ok()) << qdq.error().text();
  Graph int8 = fused_int8(*qdq);
  EXPECT_EQ(report.int8.size(), 3u);
  EXPECT_EQ(ops_of(int8), "ql.Quantize ql.Conv ql.GlobalAveragePool Flatten ql.MatMul ql.MatMul") << print(int8);
  EXPECT_EQ(compare_levels(int8, *qdq, 1).share(), 1);
  EXPECT_GT(sqnr(int8, fp32, 1), 30);
}

// Rows of a sequence: a product with its addend, and an activation behind it.
TEST(DenseAsConv, SequencesInTheCommonForm) {
  Graph fp32 = after_passes(parsed(R"(graph "g"
input %x: f32[2,6,12]
const %v: f32[12,8] = random(1)
const %b: f32[8] = random(2)
const %w: f32[8,5] = random(3)
%h = MatMul(%x, %v)
%s = Add(%h, %b)
%r = Relu(%s)
%y = MatMul(%r, %w)
output %y
)"),
                            simplify_passes());
  Graph int8 = fused_int8(quantized(fp32, profile_of(fp32, 4), {.form = QuantForm::for_any}));
  EXPECT_EQ(ops_of(int8), "ql.Quantize ql.MatMul ql.MatMul") << print(int8);
  EXPECT_GT(sqnr(int8, fp32, 1), 30);
}

}  // namespace
}  // namespace quadlane
