// fuse_mish: Log(Exp(x) + 1)  =>  Softplus(x);  Mul(x, Tanh(Softplus(x)))  =>  Mish(x)
//
// The logarithm as it is written overflows where the function does not.
#include "graph/passes/list.h"
#include "graph/passes/product.h"

namespace quadlane {
namespace {

std::optional<Node> rewrite(const Graph& g, const Node& node) {
  if (node.op == "Log") {
    std::optional<ValueId> power = minus(g, node.input(0), 1);
    const Node* exp = power ? producer_of(g, *power, "Exp") : nullptr;
    return exp ? std::optional(Node{node.name, "Softplus", {}, {exp->input(0)}}) : std::nullopt;
  }
  for (size_t side : {0u, 1u}) {
    const Node* tanh = node.op == "Mul" ? producer_of(g, node.input(side), "Tanh") : nullptr;
    const Node* softplus = tanh ? producer_of(g, tanh->input(0), "Softplus") : nullptr;
    if (softplus && softplus->input(0) == node.input(1 - side))
      return Node{node.name, "Mish", {}, {softplus->input(0)}};
  }
  return {};
}

Result<int> run(Graph& g, const OpTable& ops) { return fuse_functions(g, ops, {"Mul", "Log"}, rewrite); }

}  // namespace

const Pass kFuseMish{"fuse_mish", "Mul(x, Tanh(Softplus(x))) => Mish(x)", run};

}  // namespace quadlane
