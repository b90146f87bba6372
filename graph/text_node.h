// One node by itself as one line of text, values replaced by their types:
//
//   ql.Conv(u8[1,48,96,96], s8[16,48,3,3]=random(1), s32[16]=zeros, f32[16]=fill(0.004)) pads=[1,1,1,1]
//
// Names what is computed where the numbers do not matter: profiles print it, bench/kernel reads it back. Large
// constants are random (weights), zeros or filled with their mean magnitude (factors); small ones keep their values.
#pragma once

#include "graph/op_table.h"

namespace quadlane {

std::string node_alone_text(const Graph&, const Node&);
// A graph of this one node: inputs in0, in1, ..., outputs out0, ...
Result<Graph> parse_node_alone(std::string_view text, const OpTable&);

}  // namespace quadlane
