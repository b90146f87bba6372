#include "graph/passes/reshape_chain.h"

namespace quadlane {

std::optional<ReshapeChain> reshape_chain(const Graph& g, const Node& last) {
  if (last.op != "Reshape" || g[last.output()].type.shape.size() != 4 || !g.single_use(last.input(0))) return {};
  const Node* transpose = producer_of(g, last.input(0), "Transpose");
  if (!transpose || !g.single_use(transpose->input(0))) return {};
  const Node* first = producer_of(g, transpose->input(0), "Reshape");
  if (!first || g[first->input(0)].type.shape.size() != 4) return {};
  ReshapeChain chain{first->input(0), g[first->output()].type.shape, transpose->attrs.ints_or("perm", {})};
  if (chain.perm.size() != chain.split.size()) return {};
  return chain;
}

}  // namespace quadlane
