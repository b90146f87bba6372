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

}  // namespace
}  // namespace quadlane
