// Sequences and volumes through the whole compiler: generated kernels from end to end, equal to the references.
#include <gtest/gtest.h>

#include "graph/passes/pass.h"
#include "graph/text.h"
#include "ops/table.h"
#include "tests/compile/plan_check.h"

namespace quadlane::testing {
namespace {

void expect_no_fallback(std::string_view text) {
  auto graph = parse_graph(text, op_table());
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  for (auto passes : {simplify_passes(), fuse_f32_passes()}) {
    Status s = run_passes(*graph, op_table(), passes);
    ASSERT_TRUE(s.ok()) << s.error().text();
  }
  PlanCheck check;
  check.expect_no_reference = true;
  EXPECT_EQ(check_plan(*graph, check), "");
}

TEST(VolumePlan, UNetRunsOnGeneratedKernels) {
  expect_no_fallback(R"(graph "unet3d"
input %x: f32[1,2,8,16,16]
const %w1: f32[8,2,3,3,3] = random(1)
const %w2: f32[16,8,3,3,3] = random(2)
const %t: f32[16,8,2,2,2] = random(3)
const %w3: f32[8,16,3,3,3] = random(4)
const %w4: f32[4,8,1,1,1] = random(5)
const %b: f32[8] = random(6)
%a = Conv(%x, %w1, %b) pads=[1,1,1,1,1,1]
%r = Relu(%a)
%p = MaxPool(%r) kernel_shape=[2,2,2] strides=[2,2,2]
%c = Conv(%p, %w2) pads=[1,1,1,1,1,1]
%s = Relu(%c)
%u = ConvTranspose(%s, %t) strides=[2,2,2]
%j = Concat(%u, %r) axis=1
%d = Conv(%j, %w3, %b) pads=[1,1,1,1,1,1]
%e = Relu(%d)
%y = Conv(%e, %w4)
output %y
)");
}

TEST(VolumePlan, SequenceRunsOnGeneratedKernels) {
  expect_no_fallback(R"(graph "net1d"
input %x: f32[2,2,128]
const %w1: f32[16,2,7] = random(1)
const %w2: f32[16,16,5] = random(2)
const %t: f32[16,8,4] = random(3)
%a = Conv(%x, %w1) pads=[3,3] strides=[2]
%r = Relu(%a)
%p = MaxPool(%r) kernel_shape=[3] strides=[2] pads=[1,1]
%b = Conv(%p, %w2) pads=[4,4] dilations=[2]
%s = Add(%b, %p)
%c = ConvTranspose(%s, %t) strides=[2] pads=[1,1]
%v = AveragePool(%c) kernel_shape=[2] strides=[2]
output %v
)");
}

}  // namespace
}  // namespace quadlane::testing
