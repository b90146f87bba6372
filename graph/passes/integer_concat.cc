// integer_concat: QuantizeLinear(Concat(DequantizeLinear(a), DequantizeLinear(b)))
//                   =>  Concat(ql.Requantize(a), ql.Requantize(b))
//
// For parts of different scales; a part that has the result's scale is taken as it is. Exact: concat moves, and the
// quantization of each part is what QuantizeLinear does (in float32, with one multiplier instead of two steps).
#include "graph/passes/list.h"
#include "graph/passes/requantize.h"

namespace quadlane {
namespace {

// The dequantizations of all parts; empty when one is missing or cannot be requantized.
std::vector<Dequantized> parts_of(const Graph& g, const Node& concat, const QuantizedOutput& out) {
  std::vector<Dequantized> parts;
  for (ValueId v : concat.inputs) {
    std::optional<Dequantized> d = dequantized_per_tensor(g, v);
    if (!d) return {};
    bool same = d->scale() == out.scale && d->zero() == out.zero;
    if (!same && g[v].type.shape.size() != 4) return {};
    parts.push_back(*d);
  }
  return parts;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    std::optional<QuantizedOutput> out = as_quantizer(g, g[id]);
    const Node* producer = out ? producer_of(g, g[id].input(0), "Concat") : nullptr;
    if (!producer) continue;
    Node concat = *producer;
    std::vector<Dequantized> parts = parts_of(g, concat, *out);
    if (parts.empty()) continue;
    for (size_t i = 0; i < parts.size(); ++i) {
      QL_TRY(ValueId part, requantized(g, ops, parts[i], *out, cat(concat.name, ".part", i)));
      concat.inputs[i] = part;
    }
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, out->q, std::move(concat)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerConcat{"integer_concat", "Concat of different scales => Concat of ql.Requantize", run};

}  // namespace quadlane
