#include "graph/quant/products.h"

namespace quadlane {

bool is_quantizable_product(const Graph& g, const Node& node) {
  const bool gemm = node.op == "Gemm";
  if (!gemm && node.op != "MatMul") return false;
  const Tensor* w = g.constant(node.input(1));
  if (!w || w->dtype() != DType::f32 || w->shape().size() != 2 || g[node.input(0)].type.shape.size() < 2) return false;
  if (!gemm) return true;
  const Tensor* bias = g.constant(node.input(2));
  const bool row = node.input(2) == kNoValue || (bias && bias->count() == g[node.output()].type.shape[1]);
  return row && node.attrs.int_or("transA", 0) == 0 && node.attrs.float_or("alpha", 1) == 1 &&
         node.attrs.float_or("beta", 1) == 1;
}

std::string by_columns(const std::string& value) { return value + " by columns"; }

std::set<ValueId> read_by_columns(const Graph& g) {
  std::set<ValueId> values;
  for (NodeId id : g.order())
    if (is_quantizable_product(g, g[id]) && g[g[id].input(0)].type.shape.size() > 2) values.insert(g[id].input(0));
  return values;
}

}  // namespace quadlane
