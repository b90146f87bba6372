// fold_operands: Add(x, DequantizeLinear(const))  =>  Add(x, const)
//
// Parameters of elementwise operators that a quantizer stored as integers: their values in f32, by the operator's own
// reference. Weights of convolutions and matrix products stay quantized, so does everything that moves.
#include <algorithm>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

bool takes_constants(std::string_view op) {
  return is_one_of(op, {"Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu", "Pow", "Clip", "BatchNormalization"});
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    Node node = g[id];
    if (node.op != "DequantizeLinear" || g.is_output(node.output())) continue;
    const auto inputs = constant_inputs(g, node);
    const std::vector<Use>& uses = g[node.output()].uses;
    if (!inputs || uses.empty()) continue;
    if (!std::all_of(uses.begin(), uses.end(), [&](const Use& use) { return takes_constants(g[use.node].op); }))
      continue;
    QL_TRY(auto values, eval_node(g, node, ops, *inputs));
    g.replace_uses(node.output(), g.add_constant(g[node.output()].name + ".folded", std::move(values[0])));
    ++rewrites;
  }
  g.erase_dead();
  return rewrites;
}

}  // namespace

const Pass kFoldOperands{"fold_operands", "DequantizeLinear of an elementwise operator's constant => constant", run};

}  // namespace quadlane
