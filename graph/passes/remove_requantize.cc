// remove_requantize: QuantizeLinear(DequantizeLinear(q))  =>  q
//
// For equal parameters: (q - zero) * scale / scale rounds back to q - zero exactly.
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

Result<int> run(Graph& g, const OpTable&) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    std::optional<QuantizedOutput> out = as_quantizer(g, g[id]);
    std::optional<Dequantized> in;
    if (out) in = dequantized_per_tensor(g, g[id].input(0));
    if (!in || in->scale() != out->scale || in->zero() != out->zero) continue;
    if (bypass(g, out->q, in->q)) ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kRemoveRequantize{"remove_requantize", "QuantizeLinear of DequantizeLinear, same scale => nothing", run};

}  // namespace quadlane
