// fuse_residual: Add(ql.Conv(x), r)  =>  ql.Conv(x, residual = r)
//
// For an f32 convolution without activation or slope whose result nothing else reads, and r of the same shape. Of two
// such convolutions the later one takes the other's result, so that r exists when it is needed.
#include <algorithm>

#include "graph/passes/conv_node.h"
#include "graph/passes/list.h"

namespace quadlane {
namespace {

bool takes_residual(const Graph& g, ValueId v) {
  const Node* conv = producer_of(g, v, "ql.Conv");
  return conv && g.single_use(v) && g[v].type.dtype == DType::f32 && conv->input(kConvResidual) == kNoValue &&
         conv->input(kConvSlope) == kNoValue && conv->attrs.string_or("act", "").empty();
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Add") continue;
    ValueId a = g[id].input(0), b = g[id].input(1), out = g[id].output();
    if (g[a].type != g[b].type || g[a].type != g[out].type) continue;
    bool first = takes_residual(g, a), second = takes_residual(g, b);
    if (!first && !second) continue;
    if (first && second) first = static_cast<uint32_t>(g[a].producer) > static_cast<uint32_t>(g[b].producer);
    Node conv = *g.producer(first ? a : b);
    conv.inputs.resize(std::max<size_t>(conv.inputs.size(), kConvResidual + 1), kNoValue);
    conv.inputs[kConvResidual] = first ? b : a;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, out, std::move(conv)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kFuseResidual{"fuse_residual", "ql.Conv -> Add => ql.Conv with a residual", run};

}  // namespace quadlane
