// fold_constants: Add(const, const)  =>  const;  Shape(x)  =>  const
//
// Nodes whose inputs are all constants are computed by their operator's own reference; shapes are known anyway. Two
// limits: a result may not be much larger than what it is made of (ConstantOfShape, Expand, Tile), and constants behind
// a DequantizeLinear stay quantized, because the integer passes need them so.
#include <algorithm>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

constexpr int64_t kAlwaysFine = 1 << 20;  // elements

bool folds(const Graph& g, const Node& node) {
  if (node.op == "DequantizeLinear" || node.inputs.empty()) return false;
  int64_t read = 0, written = 0;
  for (ValueId v : node.inputs) {
    if (v == kNoValue) continue;
    if (!g.constant(v)) return false;
    read += g[v].type.count();
  }
  for (ValueId v : node.outputs) written += g[v].type.count();
  return written <= std::max(kAlwaysFine, 4 * read);
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
  int rewrites = 0;
  for (NodeId id : g.order()) {
    Node node = g[id];
    if (!is_one_of(node.op, {"Shape", "Size"}) && !folds(g, node)) continue;
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
