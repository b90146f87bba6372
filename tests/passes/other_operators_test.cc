// Passes of the simplify list that put other operators in the place of what a file has, or move them.
#include "tests/passes/pass_check.h"

namespace quadlane {
namespace {

TEST(UpsampledConv, AddsTheWeights) {
  struct Case {
    const char *mode, *sizes, *kernel, *pads;
  };
  for (const Case& c :
       {Case{"asymmetric\" nearest_mode=\"floor", "8,10", "3,3", "1,1,1,1"},
        Case{"asymmetric\" nearest_mode=\"round_prefer_floor", "8,10", "5,3", "4,0,1,2"},
        Case{"half_pixel\" nearest_mode=\"round_prefer_ceil", "12,10", "2,3", "0,1,1,1"},
        Case{"pytorch_half_pixel", "4,15", "3,1", "2,0,2,0"}, Case{"half_pixel", "16,20", "3,3", "0,0,0,0"}})
    expect_rewrite("upsampled_conv",
                   cat(R"(graph "g"
input %x: f32[2,3,4,5]
const %w: f32[5,3,)",
                       c.kernel, R"(] = random(1)
const %b: f32[5] = random(2)
const %sizes: s64[4] = {2,3,)",
                       c.sizes, R"(}
%r = Resize(%x, _, _, %sizes) mode="nearest" coordinate_transformation_mode=")",
                       c.mode, R"("
%y = Conv(%r, %w, %b) pads=[)",
                       c.pads, R"(]
output %y
)"),
                   "ConvTranspose");
}

// Other pixels than x[u / s], steps, groups, more padding than the kernel reaches, a second reader.
TEST(UpsampledConv, LeavesWhatDiffers) {
  auto left = [](const char* mode, const char* scales, const char* conv, const char* more = "") {
    expect_rewrite("upsampled_conv",
                   cat(R"(graph "g"
input %x: f32[1,4,4,4]
const %w: f32[4,4,3,3] = random(1)
const %half: f32[4,2,3,3] = random(1)
const %s: f32[4] = {1.0,1.0,)",
                       scales, R"(}
%r = Resize(%x, _, %s) mode="nearest" coordinate_transformation_mode=")",
                       mode, R"("
%y = Conv(%r, )",
                       conv, R"(
output %y
)",
                       more),
                   *more ? "Resize Conv Neg" : "Resize Conv");
  };
  const char* floor = "asymmetric\" nearest_mode=\"floor";
  left("half_pixel\" nearest_mode=\"floor", "2.0,2.0", "%w)");
  left("asymmetric\" nearest_mode=\"ceil", "2.0,2.0", "%w)");
  left("align_corners", "2.0,2.0", "%w)");
  left(floor, "8.0,8.0", "%w)");  // 100 weights for 9
  left(floor, "2.2,2.0", "%w)");
  left(floor, "1.5,1.5", "%w)");
  left(floor, "2.0,2.0", "%w) strides=[2,2]");
  left(floor, "2.0,2.0", "%w) dilations=[2,2]");
  left(floor, "2.0,2.0", "%w) pads=[3,0,0,0]");
  left(floor, "2.0,2.0", "%half) group=2");
  left(floor, "2.0,2.0", "%w)", "%n = Neg(%r)\noutput %n\n");
}

constexpr const char* kFocus = R"(graph "g"
input %x: f32[2,3,8,12]
const %w: f32[5,12,3,3] = random(1)
const %b: f32[5] = random(2)
const %zero: s64[1] = {0}
const %one: s64[1] = {1}
const %two: s64[1] = {2}
const %end: s64[1] = {9223372036854775807}
const %rows: s64[1] = {2}
const %columns: s64[1] = {-1}
%e = Slice(%x, %zero, %end, %rows, %two)
%o = Slice(%x, %one, %end, %rows, %two)
%ee = Slice(%e, %zero, %end, %columns, %two)
%oe = Slice(%o, %zero, %end, %columns, %two)
%eo = Slice(%e, %one, %end, %columns, %two)
%oo = Slice(%o, %one, %end, %columns, %two)
)";

TEST(BlocksConv, SlicesBecomeAStride) {
  for (const char* conv : {"pads=[1,1,1,1]", "pads=[0,2,1,0] strides=[2,1]"})
    expect_rewrite("blocks_conv",
                   cat(kFocus, "%c = Concat(%ee, %oe, %eo, %oo) axis=1\n%y = Conv(%c, %w, %b) ", conv, "\noutput %y\n"),
                   "Conv");
  expect_rewrite("blocks_conv",
                 cat(kFocus, "%c = Concat(%ee, %oe, %eo, %oo) axis=-3\n%y = Conv(%c, %w, %b)\noutput %y\n"), "Conv");
  expect_rewrite("blocks_conv", R"(graph "g"
input %x: f32[1,2,6,9]
const %w: f32[4,18,2,1] = random(1)
%c = SpaceToDepth(%x) blocksize=3
%y = Conv(%c, %w)
output %y
)",
                 "Conv");
}

// A block that is missing or twice there, dilations, another reader.
TEST(BlocksConv, LeavesWhatDiffers) {
  const char* slices = "Slice Slice Slice Slice Slice Slice Concat Conv";
  auto left = [](const char* parts, const char* conv, const char* more, const char* ops) {
    expect_rewrite("blocks_conv",
                   cat(kFocus, "%c = Concat(", parts, ") axis=1\n%y = Conv(%c, %w, %b) ", conv, "\noutput %y\n", more),
                   ops);
  };
  left("%ee, %oe, %eo, %eo", "", "output %oo\n", slices);
  left("%ee, %oe, %eo, %oo", "dilations=[1,2]", "", slices);
  left("%ee, %oe, %eo, %oo", "", "output %c\n", slices);
  for (auto [block, stride] : {std::pair(4, 2), std::pair(8, 1)})  // no stride that kernels take
    expect_rewrite("blocks_conv",
                   cat("graph \"g\"\ninput %x: f32[1,1,16,16]\nconst %w: f32[5,", block * block,
                       ",1,1] = random(1)\n%c = SpaceToDepth(%x) blocksize=", block, "\n%y = Conv(%c, %w) strides=[",
                       stride, ",", stride, "]\noutput %y\n"),
                   "SpaceToDepth Conv");
  // The rows' slices take channels as well: of those, only the columns' are whole.
  expect_rewrite("blocks_conv", R"(graph "g"
input %x: f32[1,4,8,8]
const %w: f32[5,6,2,2] = random(1)
const %starts: s64[2] = {0,1}
const %ends: s64[2] = {8,4}
const %axes: s64[2] = {2,1}
const %steps: s64[2] = {2,1}
const %zero: s64[1] = {0}
const %one: s64[1] = {1}
const %two: s64[1] = {2}
const %end: s64[1] = {8}
const %columns: s64[1] = {3}
%r = Slice(%x, %starts, %ends, %axes, %steps)
%e = Slice(%r, %zero, %end, %columns, %two)
%o = Slice(%r, %one, %end, %columns, %two)
%c = Concat(%e, %o) axis=1
%y = Conv(%c, %w)
output %y
)",
                 "Slice Conv");
}

// Every operator that a transposition passes, with constants of all ranks, and pairs that meet.
TEST(MoveTransposes, MeetTheirInverses) {
  const char* between[] = {
      "%b = Relu(%a)",
      "%b = Clip(%a, %lo, %hi)",
      "%b = Add(%a, %k1)",
      "%b = Mul(%k3, %a)",
      "%b = PRelu(%a, %k1)",
      "%b = Sub(%a, %k4)",
      "%p = ReduceMean(%a, %axes) keepdims=1\n%s = Sigmoid(%p)\n%b = Mul(%a, %s)",
      "%c = Concat(%a, %a) axis=3\n%b = LeakyRelu(%c)",
      "%b = Pad(%a, %pads)",
      "%b = Softmax(%a) axis=-1",
      "%q = QuantizeLinear(%a, %scales, %zeros) axis=3\n%b = DequantizeLinear(%q, %scales, %zeros) axis=-1",
      "%c = Neg(%a)\n%b = Add(%c, %a)",
  };
  for (const char* nodes : between) {
    const Graph before = parsed(cat(R"(graph "g"
input %x: f32[2,3,4,5]
const %lo: f32[] = {-0.5}
const %hi: f32[] = {0.75}
const %k1: f32[3] = {1,-2,3}
const %k3: f32[4,1,1] = {1,-2,3,4}
const %k4: f32[1,4,5,3] = random(1)
const %axes: s64[2] = {1,2}
const %pads: s64[8] = {0,1,2,0,0,3,0,1}
const %scales: f32[3] = {0.01,0.02,0.03}
const %zeros: u8[3] = {1,100,200}
%r = Relu(%x)
%a = Transpose(%r) perm=[0,2,3,1]
)",
                                    nodes, "\n%t = Transpose(%b) perm=[0,3,1,2]\n%y = Abs(%t)\noutput %y\n"));
    const Graph after = after_passes(before, simplify_passes());
    EXPECT_EQ(ops_of(after).find("Transpose"), std::string::npos) << print(after);
    EXPECT_LT(f32_difference(after, before), 1e-6) << print(after);
  }
}

TEST(MoveTransposes, GoesInFrontOfWhatIsDoneToAnInput) {
  const Graph before = parsed(R"(graph "g"
input %x: f32[1,4,5,3]
const %k: f32[3] = {0.5,0.25,0.75}
const %d: f32[] = {0.25}
%s = Sub(%x, %k)
%m = Div(%s, %d)
%t = Transpose(%m) perm=[0,3,1,2]
%y = Abs(%t)
output %y
)");
  const Graph after = after_passes(before, simplify_passes());
  EXPECT_EQ(ops_of(after), "Transpose BatchNormalization Abs") << print(after);
  EXPECT_LT(f32_difference(after, before), 1e-6);
}

// Others need it as it is.
TEST(MoveTransposes, StaysWhereItIsRead) {
  expect_rewrite("move_transposes", R"(graph "g"
input %x: f32[1,3,4,5]
const %w: f32[3,6] = random(1)
%a = Transpose(%x) perm=[0,2,3,1]
%b = Relu(%a)
%y = MatMul(%a, %w)
output %b
output %y
)",
                 "Transpose Relu MatMul");
}

TEST(EinsumAsMatMul, IsAProductBetweenTranspositions) {
  const struct {
    const char *a, *b, *equation, *expected;
  } cases[] = {{"2,3,4,5", "2,3,6,5", "bhqd,bhkd->bhqk", "Reshape Transpose Reshape MatMul Reshape Reshape"},
               {"2,3,4,5", "2,3,5,6", "bhqk,bhkd->bqhd", "Reshape Reshape MatMul Reshape Transpose Reshape"},
               {"1,6,4,5", "6,7", "bchw,cd->bdhw", "Transpose Reshape MatMul Reshape Reshape"},
               {"3,4", "4,5", "ij,jk->ki", ""},
               {"3,4", "3,4", "ij,ij->ij", ""},
               {"3", "4", "i,j->ij", ""},
               {"2,3,4", "2,4,5", "bij,bjk->bik", ""},
               {"2,3,4", "4,3", "b i j, j i -> b", ""},
               {"2,3,4", "2,3,4", "bij,bij->b", ""}};
  for (const auto& c : cases) {
    const Graph before = parsed(cat("graph \"g\"\ninput %x: f32[", c.a, "]\ninput %z: f32[", c.b,
                                    "]\n%y = Einsum(%x, %z) equation=\"", c.equation, "\"\noutput %y\n"));
    const Graph after = after_pass(before, "einsum_as_matmul");
    EXPECT_EQ(ops_of(after).find("Einsum"), std::string::npos) << c.equation;
    if (*c.expected) {
      EXPECT_EQ(ops_of(after), c.expected) << print(after);
    }
    EXPECT_LT(f32_difference(after, before), 1e-5) << print(after);
  }
  expect_rewrite("einsum_as_matmul", R"(graph "g"
input %x: f32[2,3,4]
%y = Einsum(%x) equation="bij->jbi"
output %y
)",
                 "Transpose Reshape");
  for (const char* kept : {"bii->bi", "bij->bi", "...ij->...ji"})
    EXPECT_EQ(ops_of(after_pass(parsed(cat("graph \"g\"\ninput %x: f32[2,3,3]\n%y = Einsum(%x) equation=\"", kept,
                                           "\"\noutput %y\n")),
                                "einsum_as_matmul")),
              "Einsum");
}

TEST(ComputedConv, IsAProductOfPatches) {
  const char* forms[] = {"pads=[1,0,2,1]", "group=2 strides=[2,3] pads=[1,1,1,1]", "group=4 dilations=[2,1]"};
  const char* weights[] = {"6,4,3,2", "6,2,3,2", "8,1,3,2"};
  for (size_t i = 0; i < 3; ++i)
    for (bool bias : {false, true}) {
      const std::string text =
          cat("graph \"g\"\ninput %x: f32[2,4,9,8]\ninput %v: f32[", weights[i], "]\ninput %b: f32[", weights[i][0],
              "]\n%w = Neg(%v)\n%y = Conv(%x, %w", bias ? ", %b" : "", ") ", forms[i], "\noutput %y\n");
      const Graph before = parsed(text), after = after_pass(before, "computed_conv");
      EXPECT_EQ(ops_of(after).find("Conv"), std::string::npos);
      EXPECT_LT(f32_difference(after, before), 1e-5) << print(after);
    }
}

}  // namespace
}  // namespace quadlane
