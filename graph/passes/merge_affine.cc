// merge_affine: Add(Mul(x, a), b)  =>  BatchNormalization(x);  BatchNormalization(BatchNormalization(x))  =>  one
//
// For constants per channel (axis 1), or one for all, and an inner node that nothing else reads:
// a2 * (a1 * x + b1) + b2 = (a2 * a1) * x + (a2 * b1 + b2). The result is a BatchNormalization of variance 1 and
// epsilon 0, so that later passes and the compiler know one affine operator.
#include "graph/passes/affine.h"
#include "graph/passes/list.h"

namespace quadlane {
namespace {

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    std::optional<Affine> outer = as_affine(g, g[id]);
    if (!outer) continue;
    const Node* producer = g.producer(outer->x);
    std::optional<Affine> inner;
    if (producer && g.single_use(outer->x)) inner = as_affine(g, *producer);
    if (!inner) continue;
    for (size_t c = 0; c < outer->scale.size(); ++c) {
      outer->shift[c] += outer->scale[c] * inner->shift[c];
      outer->scale[c] *= inner->scale[c];
    }
    outer->x = inner->x;
    ValueId old = g[id].output();
    std::string name = g[id].name;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, old, make_batch_norm(g, *outer, name)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kMergeAffine{"merge_affine", "chains of per-channel Mul, Add, BatchNormalization => one", run};

}  // namespace quadlane
