// fold_dequantized: DequantizeLinear(const)  =>  const
//
// For fp32 execution of a quantized graph; exact, since it runs the operator's own reference.
#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    Node node = g[id];
    if (node.op != "DequantizeLinear") continue;
    const auto inputs = constant_inputs(g, node);
    if (!inputs) continue;
    QL_TRY(auto values, eval_node(g, node, ops, *inputs));
    ValueId folded = g.add_constant(g[node.output()].name + ".folded", std::move(values[0]));
    g.replace_uses(node.output(), folded);
    ++rewrites;
  }
  g.erase_dead();
  return rewrites;
}

}  // namespace

const Pass kFoldDequantized{"fold_dequantized", "DequantizeLinear of a constant => constant", run};

}  // namespace quadlane
