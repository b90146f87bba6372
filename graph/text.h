// The graph's text form: what `inspect` prints, what pass tests are written in, what a bug report carries.
//
//   graph "unet"
//   input %image: f32[1,1,192,192]
//   const %w: f32[16,1,3,3] = 0x3f80... | zeros | iota | random(seed) | {1, 2, 3}
//   %y: f32[1,16,192,192] = Conv(%image, %w, _) name="stem" pads=[1,1,1,1] strides=[1,1]
//   output %y
//
// Names that are not [A-Za-z0-9_.] are quoted: %"/stem/Conv_output_0". `_` is an absent input. Constants of more than
// `max_elements` elements print their type and a hash only; such text is for reading, not for parsing back.
#pragma once
#include "graph/op_table.h"
namespace quadlane {
struct PrintOptions {
  int64_t max_elements = 16;
};
std::string print(const Graph&, const PrintOptions& = {});
// Types after ':' are optional for nodes: inference supplies them; when given they must agree.
Result<Graph> parse_graph(std::string_view text, const OpTable&);
}  // namespace quadlane
