// integer_affine: DequantizeLinear(q) [-> BatchNormalization] [-> Relu] -> QuantizeLinear  =>  ql.Requantize(q)
//
// a[c] ((q - zero) s_x) + b[c] in units of s_y: (q - zero) * (a[c] s_x / s_y) + b[c] / s_y. For scales and zero points
// for all or for each channel, and any affine operator or none.
#include "graph/passes/list.h"
#include "graph/passes/requantize.h"

namespace quadlane {
namespace {

// The requantization that a QuantizeLinear is the end of.
std::optional<Node> requantization(Graph& g, const Node& quantize) {
  std::optional<QuantizedOutput> out = as_quantizer(g, quantize, Scales::channels);
  if (!out) return {};
  ValueId v = quantize.input(0);
  if (const Node* act = g.producer(v); act && g.single_use(v) && clamp_output(g, *act, *out)) v = act->input(0);
  std::optional<Affine> affine;
  if (const Node* node = g.producer(v)) affine = as_affine(g, *node);
  std::optional<Dequantized> in = dequantized(g, affine ? affine->x : v);
  if (!in || g[in->q].type.shape.size() != 4) return {};
  return make_requantize(g, *in, *out, quantize.name, affine ? &*affine : nullptr);
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    std::optional<Node> node = requantization(g, Node(g[id]));
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, g[id].output(), *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerAffine{"integer_affine", "DequantizeLinear -> BatchNormalization -> QuantizeLinear => ql.Requantize",
                          run};

}  // namespace quadlane
