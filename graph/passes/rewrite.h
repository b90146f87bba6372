// What the passes share: reading constants and windows of a pattern, and putting a new node in the place of an old one.
#pragma once

#include <initializer_list>
#include <optional>

#include "graph/op_table.h"

namespace quadlane {

// The node that produces `v` when it is an `op`, else null.
const Node* producer_of(const Graph&, ValueId v, std::string_view op);
// The node that alone uses `v` (which is no graph output) as its input `input`, or kNoNode.
NodeId only_user(const Graph&, ValueId v);
// The attribute `axis` (default 1) of a node like Concat, counted from the front.
int64_t axis_of(const Graph&, const Node&);
bool is_one_of(std::string_view op, std::initializer_list<std::string_view> ops);
// Operators that compute each element from one; further inputs, if any, are scalars.
bool is_function(std::string_view op);
// Those, and the ones that compute each element from two or more.
bool is_elementwise(std::string_view op);

// An f32 constant that broadcasts over a value of shape `like` along its channels (axis 1) only, one element for each
// channel. Empty when it is no such constant.
std::optional<std::vector<double>> channel_constant(const Graph&, ValueId v, const Shape& like);
// A constant of one element.
std::optional<double> scalar_constant(const Graph&, ValueId v);

// What a node of constants alone is computed from, null where an optional input is absent. Empty when an input is known
// only at run time.
std::optional<std::vector<const Tensor*>> constant_inputs(const Graph&, const Node&);

// Spatial attributes of a 4-D Conv, ConvTranspose or pool with explicit pads (kResolvePads makes them so).
struct Window2d {
  std::vector<int64_t> kernel, strides, pads, dilations;  // (h, w); pads: top, left, bottom, right
  int64_t group = 1;

  bool padded() const { return pads != std::vector<int64_t>{0, 0, 0, 0}; }
  bool pointwise() const {
    return kernel == std::vector<int64_t>{1, 1} && strides == std::vector<int64_t>{1, 1} && !padded();
  }
};
// Empty for another rank, implicit pads or negative pads.
std::optional<Window2d> window2d(const Graph&, const Node&);

// Adds `node`, moves every use of `old` to its first output, which takes over the name, and erases what died. The
// types of the two must be equal.
Result<ValueId> replace_with(Graph&, const OpTable&, ValueId old, Node node);
// Puts in the place of every f32 node named in `ops` the operator of one input that `match` finds it to end, when there
// is one and its input has the type of the result; returns how many.
Result<int> fuse_functions(Graph&, const OpTable&, std::initializer_list<std::string_view> ops,
                           std::optional<Node> (*match)(const Graph&, const Node&));
// Moves every use of `old` to an existing value of the same type. False (and nothing done) when that would change the
// names of the graph's interface.
bool bypass(Graph&, ValueId old, ValueId with);

ValueId add_floats(Graph&, std::string name, const Shape&, const std::vector<double>& values);
ValueId add_bytes(Graph&, std::string name, const std::vector<int32_t>& values);
// The elements of an f32 constant as doubles; empty vector when absent.
std::vector<double> floats_of(const Graph&, ValueId v);

}  // namespace quadlane
