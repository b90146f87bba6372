// Each pass of the simplify list: what it rewrites, and what it must leave alone.
#include "tests/passes/pass_check.h"

namespace quadlane {
namespace {

TEST(ResolvePads, Same) {
  expect_rewrite("resolve_pads", R"(graph "g"
input %x: f32[1,2,7,6]
const %w: f32[3,2,3,4] = random(1)
%y = Conv(%x, %w) auto_pad="SAME_UPPER" strides=[2,1]
%z = Conv(%x, %w) auto_pad="SAME_LOWER" strides=[2,1]
%v = MaxPool(%x) auto_pad="VALID" kernel_shape=[2,2]
output %y
output %z
output %v
)",
                 "Conv Conv MaxPool");
  Graph g = after_pass(parsed(R"(graph "g"
input %x: f32[1,2,7,6]
const %w: f32[3,2,3,4] = random(1)
%y = Conv(%x, %w) auto_pad="SAME_LOWER" strides=[2,1]
output %y
)"),
                       "resolve_pads");
  EXPECT_EQ(g[g.order()[0]].attrs.ints_or("pads", {}), (std::vector<int64_t>{1, 2, 1, 1}));
  EXPECT_FALSE(g[g.order()[0]].attrs.has("auto_pad"));
}

// An empty auto_pad is none.
TEST(ResolvePads, LeavesExplicitPads) {
  expect_rewrite("resolve_pads", R"(graph "g"
input %x: f32[1,1,4,4]
const %w: f32[1,1,3,3] = random(1)
%y = Conv(%x, %w) auto_pad="" pads=[0,0,1,1] strides=[2,2]
output %y
)",
                 "Conv");
}

TEST(FoldConstants, ShapeArithmetic) {
  expect_rewrite("fold_constants", R"(graph "g"
input %x: f32[2,3,4,5]
const %i: s64[] = {1}
const %minus: s64[1] = {-1}
const %axes: s64[1] = {0}
%s = Shape(%x)
%c = Gather(%s, %i) axis=0
%u = Unsqueeze(%c, %axes)
%t = Concat(%u, %minus) axis=0
output %t
)",
                 "");
}

TEST(FoldConstants, KeepsQuantizedWeights) {
  expect_rewrite("fold_constants", R"(graph "g"
input %x: f32[1,1,3,3]
const %q: s8[1,1,3,3] = random(1)
const %s: f32[] = {0.5}
%w = DequantizeLinear(%q, %s)
%y = Conv(%x, %w)
output %y
)",
                 "DequantizeLinear Conv");
}

TEST(FoldConstants, RefusesToGrow) {
  expect_rewrite("fold_constants", R"(graph "g"
input %x: f32[1]
const %shape: s64[2] = {2000,2000}
const %one: f32[1] = {1.0}
%big = Expand(%one, %shape)
%y = Add(%x, %big)
output %y
)",
                 "Expand Add");
}

TEST(RemoveIdentities, All) {
  expect_rewrite("remove_identities", R"(graph "g"
input %x: f32[1,2,4,4]
const %shape: s64[4] = {1,2,4,4}
const %pads: s64[8] = zeros
const %one: f32[] = {1.0}
const %scales: f32[4] = {1.0,1.0,1.0,1.0}
%a = Identity(%x)
%b = Reshape(%a, %shape)
%c = Transpose(%b) perm=[0,1,2,3]
%d = Pad(%c, %pads)
%e = Mul(%d, %one)
%f = Resize(%e, _, %scales)
%h = Concat(%f) axis=1
%i = Relu(%h)
%j = Dropout(%i)
output %j
)",
                 "Relu");
}

TEST(RemoveIdentities, KeepsWhatChanges) {
  const char* text = R"(graph "g"
input %x: f32[1,2,2,2]
%a = Transpose(%x) perm=[0,1,3,2]
output %a
)";
  expect_rewrite("remove_identities", text, "Transpose");
}

TEST(RemoveIdentities, KeepsTheInterface) {
  Graph g = after_pass(parsed(R"(graph "g"
input %x: f32[2]
%y = Identity(%x)
output %y
)"),
                       "remove_identities");
  EXPECT_EQ(g[g.inputs()[0]].name, "x");
  EXPECT_EQ(g[g.outputs()[0]].name, "y");
}

TEST(MergeIdentical, NodesAndConstants) {
  expect_rewrite("merge_identical", R"(graph "g"
input %x: f32[1,2,3,3]
const %a: f32[2,2,1,1] = random(3)
const %b: f32[2,2,1,1] = random(3)
%p = Conv(%x, %a)
%q = Conv(%x, %b)
%r = Conv(%x, %b) strides=[2,2]
%s = Add(%p, %q)
output %s
output %r
)",
                 "Conv Conv Add");
}

TEST(MergeReshapes, Chains) {
  expect_rewrite("merge_reshapes", R"(graph "g"
input %x: f32[2,3,4]
const %a: s64[2] = {6,4}
const %b: s64[3] = {4,3,2}
%p = Reshape(%x, %a)
%q = Reshape(%p, %b)
%r = Transpose(%q) perm=[1,2,0]
%s = Transpose(%r) perm=[2,1,0]
output %s
)",
                 "Reshape Transpose");
}

TEST(MergeActivations, Clamps) {
  expect_rewrite("merge_activations", R"(graph "g"
input %x: f32[64]
const %zero: f32[] = {0.0}
const %half: f32[] = {0.5}
const %low: f32[] = {-0.25}
%a = Clip(%x, %zero)
%b = Clip(%x, %low, %half)
%c = Relu(%b)
%d = Max(%x, %low)
%e = Min(%d, %half)
output %a
output %c
output %e
)",
                 "Relu Clip Clip");
}

TEST(MergeActivations, DisjointClamps) {
  expect_rewrite("merge_activations", R"(graph "g"
input %x: f32[64]
const %minus: f32[] = {-1.0}
const %less: f32[] = {-0.5}
%a = Clip(%x, %minus, %less)
%b = Relu(%a)
output %b
)",
                 "Clip");
}

// No Clip says what a bound at the wrong end of the numbers does.
TEST(MergeActivations, LeavesBoundsAtTheWrongEnd) {
  expect_rewrite("merge_activations", R"(graph "g"
input %x: f32[64]
const %most: f32[] = {inf}
const %least: f32[] = {-inf}
%a = Max(%x, %most)
%b = Min(%x, %least)
output %a
output %b
)",
                 "Max Min");
}

TEST(MergeConcats, SingleUseOnly) {
  expect_rewrite("merge_concats", R"(graph "g"
input %x: f32[1,2,3]
%r = Relu(%x)
%a = Concat(%x, %r) axis=1
%b = Concat(%a, %x) axis=1
%c = Concat(%b, %r) axis=-2
output %c
)",
                 "Relu Concat");
  expect_rewrite("merge_concats", R"(graph "g"
input %x: f32[1,2,3]
%a = Concat(%x, %x) axis=1
%b = Concat(%a, %x) axis=1
output %a
output %b
)",
                 "Concat Concat");
}

TEST(MergePads, ConvAndPools) {
  expect_rewrite("merge_pads", R"(graph "g"
input %x: f32[1,2,5,6]
const %pads: s64[8] = {0,0,1,0,0,0,2,1}
const %low: f32[] = {-3.4028235e38}
const %w: f32[2,2,3,3] = random(1)
%p = Pad(%x, %pads)
%y = Conv(%p, %w) pads=[0,1,0,1]
%a = AveragePool(%p) kernel_shape=[3,3]
%q = Pad(%x, %pads, %low)
%m = MaxPool(%q) kernel_shape=[3,3] strides=[2,2]
output %y
output %a
output %m
)",
                 "Conv AveragePool MaxPool");
}

TEST(MergePads, LeavesOtherConstants) {
  expect_rewrite("merge_pads", R"(graph "g"
input %x: f32[1,2,5,6]
const %pads: s64[8] = {0,0,1,1,0,0,1,1}
const %one: f32[] = {1.0}
const %w: f32[2,2,3,3] = random(1)
%p = Pad(%x, %pads, %one)
%y = Conv(%p, %w)
%z = Pad(%x, %pads)
%m = MaxPool(%z) kernel_shape=[3,3]
output %y
output %m
)",
                 "Pad Conv Pad MaxPool");
}

TEST(MergeAffine, Chains) {
  expect_rewrite("merge_affine", R"(graph "g"
input %x: f32[2,3,4,4]
const %a: f32[3,1,1] = random(1)
const %b: f32[1,3,1,1] = random(2)
const %k: f32[] = {0.25}
const %g: f32[3] = {1.0,-2.0,0.5}
const %v: f32[3] = {1.0,2.0,3.0}
%p = Mul(%x, %a)
%q = Sub(%b, %p)
%r = Div(%q, %k)
%s = BatchNormalization(%r, %g, %g, %g, %v)
output %s
)",
                 "BatchNormalization");
}

TEST(FoldBatchNorm, ConvAndTransposed) {
  expect_rewrite("fold_batch_norm", R"(graph "g"
input %x: f32[1,4,5,5]
const %w: f32[6,2,3,3] = random(1)
const %t: f32[6,2,2,2] = random(2)
const %b: f32[6] = random(3)
const %g: f32[6] = {1.0,-2.0,0.5,0.1,3.0,1.0}
const %v: f32[6] = {1.0,2.0,3.0,0.5,0.25,1.0}
const %m: f32[4,1,1] = random(4)
%p = Conv(%x, %w) group=2 pads=[1,1,1,1]
%q = BatchNormalization(%p, %g, %b, %b, %v)
%r = ConvTranspose(%q, %t) group=2 strides=[2,2]
%s = Add(%r, %m)
output %s
)",
                 "Conv ConvTranspose");
}

TEST(FoldBatchNorm, NotWhenTheConvHasOtherReaders) {
  expect_rewrite("fold_batch_norm", R"(graph "g"
input %x: f32[1,2,3,3]
const %w: f32[2,2,1,1] = random(1)
const %k: f32[2,1,1] = random(2)
%p = Conv(%x, %w)
%q = Mul(%p, %k)
output %p
output %q
)",
                 "Conv Mul");
}

TEST(FoldBatchNormForward, UnpaddedOnly) {
  const char* text = R"(graph "g"
input %x: f32[1,4,5,5]
const %w: f32[6,2,3,3] = random(1)
const %k: f32[4,1,1] = random(2)
const %d: f32[4,1,1] = random(3)
%p = Mul(%x, %k)
%q = Conv(%p, %w) group=2 pads=[1,1,1,1]
%r = Add(%x, %d)
%s = Conv(%r, %w) group=2
%t = Conv(%r, %w) group=2 strides=[2,2]
%u = Sub(%x, %d)
%v = Conv(%u, %w) group=2 pads=[0,0,1,0]
output %q
output %s
output %t
output %v
)";
  expect_rewrite("fold_batch_norm_forward", text, "Sub Conv Conv Conv Conv");
}

TEST(HoistPointwise, Commutes) {
  for (const char* mode : {"linear\" coordinate_transformation_mode=\"half_pixel",
                           "linear\" coordinate_transformation_mode=\"align_corners",
                           "nearest\" nearest_mode=\"floor\" coordinate_transformation_mode=\"asymmetric"})
    expect_rewrite("hoist_pointwise",
                   cat(R"(graph "g"
input %x: f32[1,3,4,5]
const %w: f32[5,3,1,1] = random(1)
const %b: f32[5] = random(2)
const %sizes: s64[4] = {1,3,8,11}
%r = Resize(%x, _, _, %sizes) mode=")",
                       mode, R"("
%y = Conv(%r, %w, %b)
output %y
)"),
                   "Conv Resize");
}

TEST(HoistPointwise, LeavesShrinkingAndPadding) {
  expect_rewrite("hoist_pointwise", R"(graph "g"
input %x: f32[1,3,8,8]
const %w: f32[5,3,1,1] = random(1)
const %half: f32[4] = {1.0,1.0,0.5,0.5}
const %two: f32[4] = {1.0,1.0,2.0,2.0}
%r = Resize(%x, _, %half) mode="linear"
%y = Conv(%r, %w)
%s = Resize(%x, _, %two) mode="linear"
%z = Conv(%s, %w) pads=[1,1,1,1]
output %y
output %z
)",
                 "Resize Conv Resize Conv");
}

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
