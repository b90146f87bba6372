// integer_edges: QuantizeLinear(x)  =>  ql.Quantize(x);  DequantizeLinear(q)  =>  ql.Dequantize(q)
//
// What the other passes left: the borders between f32 and u8. ql.Quantize multiplies by the reciprocal of the scale,
// which differs from QuantizeLinear's division by at most one level, at ties. Only u8 with axis 1 or one scale for all.
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

std::optional<Node> edge(Graph& g, const Node& node) {
  if (g[node.input(0)].type.shape.size() < 2) return {};
  if (std::optional<QuantizedOutput> out = as_quantizer(g, node, Scales::channels)) {
    std::vector<double> inverse_scale;
    for (float s : out->channel_scale) inverse_scale.push_back(1.0 / s);
    if (inverse_scale.empty()) inverse_scale = {1.0 / out->scale};
    Shape shape{static_cast<int64_t>(inverse_scale.size())};
    ValueId inverse = add_floats(g, node.name + ".inv_scale", shape, inverse_scale);
    return Node{node.name, "ql.Quantize", {}, {node.input(0), inverse, add_bytes(g, node.name + ".zero", {out->zero})}};
  }
  std::optional<Dequantized> in = dequantized(g, node.output());
  if (!in) return {};
  std::vector<double> scale(in->params.scale.begin(), in->params.scale.end());
  ValueId scales = add_floats(g, node.name + ".scale", {static_cast<int64_t>(scale.size())}, scale);
  return Node{node.name, "ql.Dequantize", {}, {in->q, scales, add_bytes(g, node.name + ".zero", in->params.zero)}};
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !is_one_of(g[id].op, {"QuantizeLinear", "DequantizeLinear"})) continue;
    std::optional<Node> node = edge(g, Node(g[id]));
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, g[id].output(), *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerEdges{"integer_edges", "left-over QuantizeLinear, DequantizeLinear => ql.Quantize, ql.Dequantize",
                         run};

}  // namespace quadlane
