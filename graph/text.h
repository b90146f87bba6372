// The graph's text form: what `inspect` prints, what pass tests are written in, what a bug report carries.
//
//   graph "unet"                                                   # from here to the end of the line: a comment
//   input %image: f32[1,1,192,192]
//   const %w: f32[16,1,3,3] = 0x3f80... | zeros | iota | fill(value) | random(seed) | {1, 2, 3}
//   %y: f32[1,16,192,192] = Conv(%image, %w, _) name="stem" pads=[1,1,1,1] strides=[1,1]
//   %a: f32[1,8,4,4], %b: f32[1,8,4,4] = Split(%y) axis=1 num_outputs=2
//   output %y
//   # tail: "node 'nms' (NonMaxSuppression)"                       # printed only: a tail (tail.h) is not parsed back
//
// Names that are not [A-Za-z0-9_.] are quoted: %"/stem/Conv_output_0". `_` is an absent input. A node without `name` is
// named as its first output. Attributes: 3 is an integer, 3.0 a float, "x" a string, [1,2] and [1.0,2.0] lists (an
// empty list of floats is floats[]), f32[2]{1, 2} a tensor.
//
// Elements: `iota` counts from 0; `random(seed)` is uniform in [-1, 1) for floats, a random byte for integers (signed
// where the type is); 0x... holds each element's bits as 2 hexadecimal digits a byte, the most significant byte first.
// Constants of more than `max_elements` elements print their type and a hash only; such text is for reading, not for
// parsing back.
#pragma once
#include "graph/op_table.h"
namespace quadlane {
struct PrintOptions {
  int64_t max_elements = 16;
};
std::string print(const Graph&, const PrintOptions& = {});
std::string attributes_text(const Node&, const PrintOptions& = {});  // " pads=[1,1,1,1] strides=[1,1]"
struct ParseOptions {
  size_t max_constant_bytes = size_t{128} << 20;  // all constants together: a few words may ask for much
};
// Types after ':' are optional for nodes: inference supplies them; when given they must agree.
Result<Graph> parse_graph(std::string_view text, const OpTable&, const ParseOptions& = {});
}  // namespace quadlane
