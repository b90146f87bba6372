// integer_arithmetic: QuantizeLinear(Add(DequantizeLinear(a), DequantizeLinear(b)))  =>  ql.Add(a, b)
//
// Add: (a - za) s_a / s_y + (b - zb) s_b / s_y. Mul: (a - za) (b - zb) s_a s_b / s_y; the second factor may be one
// value for each channel (squeeze and excite). A Relu or Clip behind them narrows the output's range.
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

bool per_image_channel(const Shape& small, const Shape& large) {
  return small.size() == 4 && large.size() == 4 && small[0] == large[0] && small[1] == large[1] && small[2] == 1 &&
         small[3] == 1;
}

Node make_add(const Dequantized& a, const Dequantized& b, const QuantizedOutput& out) {
  Node node{"", "ql.Add", {}, {a.q, b.q}};
  node.attrs.set("a_mult", static_cast<float>(double{a.scale()} / out.scale));
  node.attrs.set("b_mult", static_cast<float>(double{b.scale()} / out.scale));
  return node;
}

Node make_mul(const Dequantized& a, const Dequantized& b, const QuantizedOutput& out) {
  Node node{"", "ql.Mul", {}, {a.q, b.q}};
  node.attrs.set("mult", static_cast<float>(double{a.scale()} * b.scale() / out.scale));
  return node;
}

std::optional<Node> integer_node(const Graph& g, const Node& node, const QuantizedOutput& out) {
  std::optional<Dequantized> a = dequantized_per_tensor(g, node.input(0)), b = dequantized_per_tensor(g, node.input(1));
  if (!a || !b || g[a->q].type.shape.size() != 4) return {};
  const Shape &sa = g[a->q].type.shape, &sb = g[b->q].type.shape;
  if (node.op == "Mul" && sa != sb && per_image_channel(sa, sb))
    std::swap(a, b);
  else if (sa != sb && !(node.op == "Mul" && per_image_channel(sb, sa)))
    return {};
  Node result = node.op == "Add" ? make_add(*a, *b, out) : make_mul(*a, *b, out);
  result.name = node.name;
  result.attrs.set("a_zero", int64_t{a->zero()});
  result.attrs.set("b_zero", int64_t{b->zero()});
  set_output_range(result, out);
  return result;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !is_one_of(g[id].op, {"Add", "Mul"})) continue;
    std::optional<QuantizedOutput> out = quantized_output(g, g[id].output());
    std::optional<Node> node = out ? integer_node(g, g[id], *out) : std::nullopt;
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, out->q, *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerArithmetic{"integer_arithmetic", "Add, Mul of dequantized => ql.Add, ql.Mul", run};

}  // namespace quadlane
