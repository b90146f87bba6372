// move_weights: Transpose(DequantizeLinear(const))  =>  DequantizeLinear(Transpose(const))
//
// Exporters and quantizers leave a transposition, a reshape or a squeeze between quantized weights and the operator
// that reads them. It moves whole elements, so it commutes with the dequantization: of one scale always, of a scale for
// each index of an axis where that is still an axis behind it. The moved constant is then folded.
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

// The axis of `to` whose indices are those of `axis` in `from`: equal extents, and as many elements in front.
std::optional<int64_t> same_axis(const Shape& from, int64_t axis, const Shape& to) {
  auto before = [](const Shape& s, size_t end) {
    return elements(Shape(s.begin(), s.begin() + static_cast<long>(end)));
  };
  const auto at = static_cast<size_t>(axis);
  for (size_t i = 0; i < to.size(); ++i)
    if (to[i] == from[at] && before(to, i) == before(from, at)) return static_cast<int64_t>(i);
  return {};
}

// Where the axis of the scales lies behind the move; empty when it is lost.
std::optional<int64_t> moved_axis(const Graph& g, const Node& dequantize, const Node& move) {
  const Shape &from = g[dequantize.output()].type.shape, &to = g[move.output()].type.shape;
  const int64_t rank = static_cast<int64_t>(from.size());
  if (elements(g[dequantize.input(1)].type.shape) == 1) return 1;
  int64_t axis = dequantize.attrs.int_or("axis", 1);
  if (axis < 0) axis += rank;
  if (move.op != "Transpose") return same_axis(from, axis, to);
  std::vector<int64_t> reversed;
  for (int64_t i = rank; i-- > 0;) reversed.push_back(i);
  const std::vector<int64_t> perm = move.attrs.ints_or("perm", reversed);
  for (size_t i = 0; i < perm.size(); ++i)
    if (perm[i] == axis) return static_cast<int64_t>(i);
  return {};
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !is_one_of(g[id].op, {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})) continue;
    Node move = g[id];
    const Node* found = producer_of(g, move.input(0), "DequantizeLinear");
    if (!found || !g.constant(found->input(0)) || found->attrs.int_or("block_size", 0) != 0) continue;
    Node dequantize = *found;
    std::optional<int64_t> axis = moved_axis(g, dequantize, move);
    bool known = axis.has_value();
    for (size_t i = 1; i < move.inputs.size(); ++i) known &= move.inputs[i] == kNoValue || g.constant(move.inputs[i]);
    if (!known) continue;
    const ValueId old = move.output();
    move.inputs[0] = dequantize.input(0);
    QL_TRY(ValueId bytes, add_op(g, ops, move, g[old].name + ".moved"));  // for its type; it dies with this rewrite
    std::vector<const Tensor*> inputs;
    for (ValueId v : move.inputs) inputs.push_back(g.constant(v));
    QL_TRY(auto moved, eval_node(g, *g.producer(bytes), ops, inputs));
    dequantize.inputs[0] = g.add_constant(g[old].name + ".q", std::move(moved[0]));
    dequantize.name = move.name;
    dequantize.attrs.set("axis", *axis);
    if (elements(g[dequantize.input(1)].type.shape) == 1)  // the rank may no longer hold the axis of a list of one
      dequantize = with_scalar_params(g, std::move(dequantize));
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, old, std::move(dequantize)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kMoveWeights{"move_weights", "Transpose, Reshape, ... of dequantized weights => dequantized weights", run};

}  // namespace quadlane
