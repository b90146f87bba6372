// integer_prelu: DequantizeLinear(q) -> PRelu(slope[c]) -> QuantizeLinear  =>  ql.PRelu(q)
//
// (q - zero) s_x / s_y, times slope[c] below zero.
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

std::optional<Node> rewrite(Graph& g, const Node& prelu, const QuantizedOutput& out) {
  std::optional<Dequantized> x = dequantized_per_tensor(g, prelu.input(0));
  if (!x || g[x->q].type.shape.size() != 4) return {};
  auto slope = channel_constant(g, prelu.input(1), g[x->q].type.shape);
  if (!slope) return {};
  const double scale = double{x->scale()} / out.scale;
  for (double& s : *slope) s *= scale;
  Node node{prelu.name, "ql.PRelu"};
  ValueId zero = g.add_constant(prelu.name + ".in_zero", Tensor::from<uint8_t>({1}, {static_cast<uint8_t>(x->zero())}));
  node.inputs = {x->q, add_floats(g, prelu.name + ".mult", {1}, {scale}),
                 add_floats(g, prelu.name + ".below", {static_cast<int64_t>(slope->size())}, *slope), zero};
  set_output_range(node, out);
  return node;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "PRelu") continue;
    std::optional<QuantizedOutput> out = quantized_output(g, g[id].output());
    std::optional<Node> node = out ? rewrite(g, Node(g[id]), *out) : std::nullopt;
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, out->q, *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerPRelu{"integer_prelu", "DequantizeLinear -> PRelu -> QuantizeLinear => ql.PRelu", run};

}  // namespace quadlane
