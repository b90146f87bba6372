// merge_reshapes: Reshape(Reshape(x))  =>  Reshape(x);  Transpose(Transpose(x))  =>  Transpose(x)
//
// Reshape, Flatten, Squeeze and Unsqueeze keep the order of the elements, so only the last shape of a chain matters.
#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

bool is_reshape(const Node& node) { return is_one_of(node.op, {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}); }

std::vector<int64_t> order_of(const Graph& g, const Node& node) {
  std::vector<int64_t> order = node.attrs.ints_or("perm", {});
  if (!order.empty()) return order;
  int64_t rank = static_cast<int64_t>(g[node.input(0)].type.shape.size());
  for (int64_t i = rank; i-- > 0;) order.push_back(i);
  return order;
}

std::optional<Node> merged(Graph& g, const Node& node) {
  const Node* before = g.producer(node.input(0));
  if (!before || before->outputs.size() != 1) return {};
  ValueId x = before->input(0);
  if (is_reshape(node) && is_reshape(*before)) {
    const Shape& shape = g[node.output()].type.shape;
    if (g[node.output()].type.count() == 0) return {};  // a 0 in the shape means "keep" to Reshape
    ValueId target =
        g.add_constant(node.name + ".shape", Tensor::from<int64_t>({static_cast<int64_t>(shape.size())}, shape));
    return Node{node.name, "Reshape", {}, {x, target}};
  }
  if (node.op == "Transpose" && before->op == "Transpose") {
    std::vector<int64_t> first = order_of(g, *before), second = order_of(g, node), both;
    for (int64_t axis : second) both.push_back(first[static_cast<size_t>(axis)]);
    Node result{node.name, "Transpose", {}, {x}};
    result.attrs.set("perm", both);
    return result;
  }
  return {};
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    Node node = g[id];
    std::optional<Node> replacement = merged(g, node);
    if (!replacement) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, node.output(), *std::move(replacement)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kMergeReshapes{"merge_reshapes", "chains of Reshape or Transpose => one", run};

}  // namespace quadlane
