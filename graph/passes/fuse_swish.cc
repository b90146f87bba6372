// fuse_swish: Mul(x, Sigmoid(x))  =>  Swish(x);  Mul(x, Sigmoid(alpha * x))  =>  Swish(x) alpha
//
// Also known as SiLU. One function instead of two passes over x, and one that a convolution can apply itself.
#include "graph/passes/list.h"
#include "graph/passes/product.h"

namespace quadlane {
namespace {

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Mul" || g[g[id].output()].type.dtype != DType::f32) continue;
    for (size_t side : {0u, 1u}) {
      const Node& mul = g[id];
      ValueId x = mul.input(side);
      const Node* sigmoid = producer_of(g, mul.input(1 - side), "Sigmoid");
      if (!sigmoid || g[x].type != g[mul.output()].type) continue;
      std::optional<double> alpha = multiple_of(g, sigmoid->input(0), x);
      if (!alpha) continue;
      Node swish{mul.name, "Swish", {}, {x}};
      swish.attrs.set("alpha", static_cast<float>(*alpha));
      QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, mul.output(), std::move(swish)));
      ++rewrites;
      break;
    }
  }
  return rewrites;
}

}  // namespace

const Pass kFuseSwish{"fuse_swish", "Mul(x, Sigmoid(x)) => Swish(x)", run};

}  // namespace quadlane
