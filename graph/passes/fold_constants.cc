// fold_constants: Add(const, const)  =>  const;  Shape(x)  =>  const
//
// Nodes whose inputs are all constants are computed by their operator's own reference; shapes are known anyway. Two
// limits: results may not be much larger than what they are made of, nor take long (see folding.h), and constants
// behind a DequantizeLinear stay quantized, because the integer passes need them so.
#include <algorithm>

#include "graph/folding.h"
#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

// On top of what the graph's constants have already.
constexpr int64_t kAlwaysFine = 1 << 20;  // elements
constexpr size_t kMoreBytes = size_t{32} << 20;

FoldBudget budget_of(const Graph& g) {
  FoldBudget budget{kAlwaysFine, kMoreBytes};
  for (uint32_t i = 0; i < g.value_capacity(); ++i)
    if (const Value& value = g[ValueId{i}]; value.constant && !value.uses.empty()) budget.bytes += value.type.bytes();
  return budget;
}

bool folds(const Graph& g, const Node& node, FoldBudget& budget) {
  if (node.op == "DequantizeLinear" || node.inputs.empty()) return false;
  std::vector<TensorType> inputs, outputs;
  int64_t read = 0;
  for (ValueId v : node.inputs) {
    if (v == kNoValue) continue;
    if (!g.constant(v)) return false;
    inputs.push_back(g[v].type);
    read += g[v].type.count();
  }
  budget.elements = std::max(kAlwaysFine, 4 * read);
  for (ValueId v : node.outputs) outputs.push_back(g[v].type);
  if (!budget.allows(node, inputs, outputs)) return false;
  budget.spend(node, inputs, outputs);
  return true;
}

// Shape with its start and end attributes.
Tensor shape_of(const Graph& g, const Node& node) {
  const Shape& shape = g[node.input(0)].type.shape;
  int64_t rank = static_cast<int64_t>(shape.size());
  auto clamp_axis = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  int64_t start = clamp_axis(node.attrs.int_or("start", 0)), end = clamp_axis(node.attrs.int_or("end", rank));
  std::vector<int64_t> extents;
  for (int64_t i = start; i < end; ++i) extents.push_back(shape[static_cast<size_t>(i)]);
  return Tensor::from<int64_t>({static_cast<int64_t>(extents.size())}, extents);
}

Result<std::vector<Tensor>> value_of(const Graph& g, const Node& node, const OpTable& ops) {
  if (node.op == "Shape") return std::vector<Tensor>{shape_of(g, node)};
  if (node.op == "Size") return std::vector<Tensor>{Tensor::scalar<int64_t>(g[node.input(0)].type.count())};
  std::vector<const Tensor*> inputs;
  for (ValueId v : node.inputs) inputs.push_back(g.constant(v));
  return eval_node(g, node, ops, inputs);
}

Result<int> run(Graph& g, const OpTable& ops) {
  FoldBudget budget = budget_of(g);
  int rewrites = 0;
  for (NodeId id : g.order()) {
    Node node = g[id];
    if (!is_one_of(node.op, {"Shape", "Size"}) && !folds(g, node, budget)) continue;
    QL_TRY(std::vector<Tensor> values, value_of(g, node, ops));
    for (size_t i = 0; i < values.size(); ++i) {
      ValueId folded = g.add_constant(g[node.outputs[i]].name + ".folded", std::move(values[i]));
      g.replace_uses(node.outputs[i], folded);
    }
    ++rewrites;
  }
  g.erase_dead();
  return rewrites;
}

}  // namespace

const Pass kFoldConstants{"fold_constants", "nodes of constants => constants", run};

}  // namespace quadlane
