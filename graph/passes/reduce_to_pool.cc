// reduce_to_pool: ReduceMean over H and W  =>  GlobalAveragePool [-> Reshape];  ReduceMax likewise
//
// Pools are what the planar and the integer kernels know. A reduction that drops its axes is one that keeps them and a
// Reshape, which costs nothing.
#include <algorithm>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

// The axes reduced, sorted; empty when they are not known.
std::vector<int64_t> reduced_axes(const Graph& g, const Node& node) {
  std::vector<int64_t> axes;
  if (const Tensor* t = g.constant(node.input(1)))
    for (int64_t i = 0; i < t->count(); ++i) axes.push_back(element_as_int(t->view(), i));
  for (int64_t& axis : axes)
    if (axis < 0) axis += static_cast<int64_t>(g[node.input(0)].type.shape.size());
  std::sort(axes.begin(), axes.end());
  return axes;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !is_one_of(g[id].op, {"ReduceMean", "ReduceMax"})) continue;
    const Node reduce = g[id];
    const TensorType& in = g[reduce.input(0)].type;
    if (in.shape.size() != 4 || in.dtype != DType::f32 || in.count() == 0) continue;
    if (reduced_axes(g, reduce) != std::vector<int64_t>{2, 3}) continue;
    Node pool{reduce.name, reduce.op == "ReduceMean" ? "GlobalAveragePool" : "GlobalMaxPool", {}, {reduce.input(0)}};
    if (reduce.attrs.int_or("keepdims", 1) == 0) {
      const Shape shape = g[reduce.output()].type.shape;
      pool.name += ".pool";
      QL_TRY(ValueId pooled, add_op(g, ops, std::move(pool)));
      ValueId target =
          g.add_constant(reduce.name + ".shape", Tensor::from<int64_t>({static_cast<int64_t>(shape.size())}, shape));
      pool = Node{reduce.name, "Reshape", {}, {pooled, target}};
    }
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, reduce.output(), std::move(pool)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kReduceToPool{"reduce_to_pool", "ReduceMean, ReduceMax over H and W => GlobalAveragePool, GlobalMaxPool",
                         run};

}  // namespace quadlane
