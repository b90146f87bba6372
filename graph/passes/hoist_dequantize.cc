// hoist_dequantize: DequantizeLinear(MaxPool(q s8))  =>  MaxPool(DequantizeLinear(q))
//
// Files in operator form move and pool signed bytes; kernels know unsigned ones. With the dequantization right behind
// the QuantizeLinear, unsigned_activations turns the pair to u8, and integer_move brings the operators back between
// the two. For one scale and zero point; a value that several nodes read is moved when all of them dequantize it. From
// the last node to the first, so that a dequantization rises through a whole chain.
#include <algorithm>

#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

bool moves(const Graph& g, const Node& node) {
  if (node.outputs.size() != 1 || g[node.output()].type.dtype != DType::s8) return false;
  return is_one_of(node.op, {"MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Concat"});
}

// What v's readers are when all of them dequantize it alike, with one scale; else empty.
std::vector<NodeId> dequantizers(const Graph& g, ValueId v) {
  std::vector<NodeId> found;
  std::optional<QuantParams> common;
  for (const Use& use : g[v].uses) {
    if (g[use.node].op != "DequantizeLinear" || use.input != 0) return {};
    std::optional<QuantParams> p = constant_params(g, g[use.node], 1);
    if (!p || !p->per_tensor() || (common && !(*common == *p))) return {};
    common = p;
    found.push_back(use.node);
  }
  return g.is_output(v) ? std::vector<NodeId>() : found;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  const std::vector<NodeId> order = g.order();
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    if (!g.is_live(*id) || !moves(g, g[*id])) continue;
    Node move = g[*id];
    const std::vector<NodeId> readers = dequantizers(g, move.output());
    if (readers.empty()) continue;
    const Node dequantize = with_scalar_params(g, g[readers[0]]);
    std::vector<ValueId> old;
    for (NodeId reader : readers) old.push_back(g[reader].output());
    const size_t moved = move.op == "Concat" ? move.inputs.size() : 1;
    for (size_t i = 0; i < moved; ++i) {
      Node before = dequantize;
      before.name = cat(dequantize.name, ".before_", move.name, i);
      before.inputs[0] = move.inputs[i];
      QL_TRY(move.inputs[i], add_op(g, ops, std::move(before)));
    }
    QL_TRY(ValueId v, replace_with(g, ops, old[0], std::move(move)));
    for (size_t i = 1; i < old.size(); ++i) bypass(g, old[i], v);
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kHoistDequantize{"hoist_dequantize", "DequantizeLinear of moved s8 values => moved dequantized values", run};

}  // namespace quadlane
