// fuse_hard_swish: Clip(x + 3, 0, 6) / 6  =>  HardSigmoid(x);  x * HardSigmoid(x)  =>  HardSwish(x)
//
// With alpha 1/6 and beta 1/2, and the factors in any order: x * Clip(x + 3, 0, 6) / 6 as well.
#include "graph/passes/list.h"
#include "graph/passes/product.h"

namespace quadlane {
namespace {

constexpr double kSixth = 1.0 / 6;

// x where v = Clip(x + 3, 0, 6).
std::optional<ValueId> shifted_clip(const Graph& g, ValueId v) {
  const Node* clip = producer_of(g, v, "Clip");
  if (!clip) return {};
  std::optional<double> lo = scalar_constant(g, clip->input(1)), hi = scalar_constant(g, clip->input(2));
  if (!lo || !hi || *lo != 0 || *hi != 6) return {};
  return minus(g, clip->input(0), 3);
}

// x where v = HardSigmoid(x) with the constants above.
std::optional<ValueId> hard_sigmoid(const Graph& g, ValueId v) {
  const Node* node = producer_of(g, v, "HardSigmoid");
  if (!node || !nearly(node->attrs.float_or("alpha", 0.2f), kSixth) || node->attrs.float_or("beta", 0.5f) != 0.5f)
    return {};
  return node->input(0);
}

std::optional<Node> rewrite(const Graph& g, const Node& node) {
  Product p = product_of(g, node.output());
  for (size_t i = 0; i < p.factors.size() && p.factors.size() == 2; ++i) {
    ValueId x = p.factors[i], gate = p.factors[1 - i];
    if ((nearly(p.constant, 1) && hard_sigmoid(g, gate) == x) ||
        (nearly(p.constant, kSixth) && shifted_clip(g, gate) == x))
      return Node{node.name, "HardSwish", {}, {x}};
  }
  if (p.factors.size() != 1 || !nearly(p.constant, kSixth)) return {};
  std::optional<ValueId> x = shifted_clip(g, p.factors[0]);
  if (!x) return {};
  Node result{node.name, "HardSigmoid", {}, {*x}};
  result.attrs.set("alpha", static_cast<float>(kSixth));
  result.attrs.set("beta", 0.5f);
  return result;
}

Result<int> run(Graph& g, const OpTable& ops) { return fuse_functions(g, ops, {"Mul", "Div"}, rewrite); }

}  // namespace

const Pass kFuseHardSwish{"fuse_hard_swish", "x * Clip(x + 3, 0, 6) / 6 => HardSwish; without x => HardSigmoid", run};

}  // namespace quadlane
