// merge_concats: Concat(Concat(a, b), c)  =>  Concat(a, b, c)
//
// For an inner concat on the same axis that nothing else reads (otherwise it would be copied, or place its parts
// twice).
#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Concat") continue;
    Node node = g[id];
    std::vector<ValueId> parts;
    for (ValueId v : node.inputs) {
      const Node* inner = producer_of(g, v, "Concat");
      if (inner && g.single_use(v) && axis_of(g, *inner) == axis_of(g, node))
        parts.insert(parts.end(), inner->inputs.begin(), inner->inputs.end());
      else
        parts.push_back(v);
    }
    if (parts.size() == node.inputs.size()) continue;
    node.inputs = parts;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, g[id].output(), node));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kMergeConcats{"merge_concats", "Concat of Concat => Concat", run};

}  // namespace quadlane
