// The network of tests that need some of everything: a convolution, a concat, a pool and an operator without a kernel.
#pragma once

#include "graph/text.h"
#include "ops/table.h"

namespace quadlane::testing {

inline Graph small_network() {
  return *parse_graph(R"(
graph "small"
input %x: f32[1,3,8,8]
const %w: f32[5,3,3,3] = random(1)
const %w2: f32[2,8,1,1] = random(2)
%y = Conv(%x, %w, _) pads=[1,1,1,1]
%r = Relu(%y)
%c = Concat(%x, %r) axis=1
%z = Conv(%c, %w2, _)
%p = MaxPool(%z) kernel_shape=[2,2] strides=[2,2]
%h = Hardmax(%p) axis=1
output %p
output %h
)",
                      op_table());
}

}  // namespace quadlane::testing
