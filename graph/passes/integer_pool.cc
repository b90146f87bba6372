// integer_pool: QuantizeLinear(AveragePool(DequantizeLinear(q)))  =>  ql.AveragePool(q)
//
// The mean of (q - zero) * s_x over the window, in units of s_y: sum (q - zero) * (s_x / s_y / count). Padding is 0 in
// both. GlobalAveragePool likewise; where nothing quantizes it, it becomes ql.DequantizedMean(q).
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

bool supported(const Graph& g, const Node& pool) {
  if (g[pool.input(0)].type.shape.size() != 4) return false;
  if (pool.op == "GlobalAveragePool") return true;
  std::optional<Window2d> w = window2d(g, pool);
  return pool.op == "AveragePool" && w && w->dilations == std::vector<int64_t>{1, 1} &&
         pool.attrs.int_or("ceil_mode", 0) == 0;
}

std::optional<Node> make_pool(const Graph& g, const Node& pool, const Dequantized& in, const QuantizedOutput& out) {
  Node node{pool.name, "ql." + pool.op, {}, {in.q}};
  if (pool.op == "AveragePool") {
    Window2d w = *window2d(g, pool);
    node.attrs.set("kernel_shape", w.kernel);
    node.attrs.set("strides", w.strides);
    node.attrs.set("pads", w.pads);
    node.attrs.set("count_include_pad", pool.attrs.int_or("count_include_pad", 0));
  }
  node.attrs.set("mult", static_cast<float>(double{in.scale()} / out.scale));
  node.attrs.set("in_zero", int64_t{in.zero()});
  set_output_range(node, out);
  return node;
}

std::optional<Node> make_mean(Graph& g, const Node& pool) {
  std::optional<Dequantized> in = pool.op == "GlobalAveragePool" ? dequantized(g, pool.input(0)) : std::nullopt;
  if (!in) return {};
  const std::vector<double> scale(in->params.scale.begin(), in->params.scale.end());
  ValueId scales = add_floats(g, pool.name + ".scale", {static_cast<int64_t>(scale.size())}, scale);
  return Node{pool.name, "ql.DequantizedMean", {}, {in->q, scales, add_bytes(g, pool.name + ".zero", in->params.zero)}};
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !is_one_of(g[id].op, {"AveragePool", "GlobalAveragePool"}) || !supported(g, g[id])) continue;
    std::optional<Dequantized> in = dequantized_per_tensor(g, g[id].input(0));
    std::optional<QuantizedOutput> out = in ? quantized_output(g, g[id].output()) : std::nullopt;
    std::optional<Node> node = out ? make_pool(g, g[id], *in, *out) : make_mean(g, Node(g[id]));
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, out ? out->q : g[id].output(), *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerPool{"integer_pool", "average pools of a dequantized image => ql.AveragePool", run};

}  // namespace quadlane
