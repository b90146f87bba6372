// integer_move: MaxPool(DequantizeLinear(q))  =>  DequantizeLinear(MaxPool(q))
//
// Operators that only choose and move elements commute with a dequantization of one scale and zero point: MaxPool,
// Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Slice, Split, Gather, DepthToSpace, SpaceToDepth, Concat of parts
// with equal parameters, Pad with zeros (which become the zero point). In topological order, so that a dequantization
// sinks through a whole chain.
#include <algorithm>

#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

bool moves_first_input(const Node& node) {
  return is_one_of(node.op, {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Gather",
                             "DepthToSpace", "SpaceToDepth"}) ||
         (node.op == "MaxPool" && node.outputs.size() == 1);
}

bool pads_with_zero(const Graph& g, const Node& node) {
  if (node.op != "Pad") return false;
  if (node.attrs.string_or("mode", "constant") != "constant") return true;
  return node.input(2) == kNoValue || scalar_constant(g, node.input(2)) == 0.0;
}

// The dequantizations of the moved inputs; empty when they are missing or differ.
std::vector<Dequantized> moved_inputs(const Graph& g, const Node& node) {
  size_t count = node.op == "Concat" ? node.inputs.size() : 1;
  if (node.op != "Concat" && !moves_first_input(node) && !pads_with_zero(g, node)) return {};
  std::vector<Dequantized> found;
  for (size_t i = 0; i < count; ++i) {
    std::optional<Dequantized> d = dequantized_per_tensor(g, node.input(i));
    if (!d || (i > 0 && !(d->params == found[0].params))) return {};
    found.push_back(*d);
  }
  return found;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    Node node = g[id];
    std::vector<Dequantized> inputs = moved_inputs(g, node);
    if (inputs.empty()) continue;
    const Node dequantize = with_scalar_params(g, *g.producer(node.input(0)));
    for (size_t i = 0; i < inputs.size(); ++i) node.inputs[i] = inputs[i].q;
    if (node.op == "Pad") {
      node.inputs.resize(std::max<size_t>(node.inputs.size(), 3), kNoValue);
      node.inputs[2] =
          g.add_constant(node.name + ".zero", Tensor::scalar<uint8_t>(static_cast<uint8_t>(inputs[0].zero())));
    }
    QL_TRY(auto types, infer_types(g, node, ops));
    std::vector<ValueId> old = node.outputs;
    std::vector<std::string> names;
    for (ValueId v : old) names.push_back(g[v].name + ".q");
    NodeId moved = g.add_node(std::move(node), types, names);
    for (size_t i = 0; i < old.size(); ++i) {
      Node dq = dequantize;
      dq.name = names[i] + ".dq";
      dq.inputs[0] = g[moved].outputs[i];
      QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, old[i], std::move(dq)));
    }
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerMove{"integer_move", "MaxPool, Reshape, Concat, ... of dequantized => dequantized of them", run};

}  // namespace quadlane
