// integer_lut: DequantizeLinear(q) -> f -> QuantizeLinear  =>  ql.Lut(q, table)
//
// f is any function of one value: a chain, or a small graph such as x * sigmoid(x), of elementwise operators over the
// dequantized value and scalar constants. Its 256 results are computed by the operators' own references, so the table
// is exactly what the graph computes. With parameters for each channel, in front of f or behind it, every channel has a
// table of its own.
#include <algorithm>

#include "graph/passes/computed_alone.h"
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

// The nodes between the QuantizeLinear and the one dequantized value, producers last.
struct Function {
  std::vector<NodeId> nodes;
  ValueId source = kNoValue;  // the f32 value
};

// Walks up from v. False when something else than the source and scalars comes in.
bool collect(const Graph& g, ValueId v, Function& f) {
  if (v == kNoValue || scalar_constant(g, v)) return true;
  if (dequantized(g, v)) {
    if (f.source != kNoValue && f.source != v) return false;
    f.source = v;
    return true;
  }
  const Value& value = g[v];
  if (value.producer == kNoNode) return false;
  const Node& node = g[value.producer];
  if (!is_elementwise(node.op) || node.outputs.size() != 1 || f.nodes.size() > 16) return false;
  if (std::find(f.nodes.begin(), f.nodes.end(), value.producer) != f.nodes.end()) return true;
  f.nodes.push_back(value.producer);
  return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId in) { return collect(g, in, f); });
}

// QuantizeLinear(f(DequantizeLinear(0..255))), for `channels` channels side by side, or once
// for all (0).
Result<Tensor> table_of(const Graph& g, const OpTable& ops, const Function& f, const Node& quantize, int64_t channels) {
  std::vector<uint8_t> levels(static_cast<size_t>(256 * std::max<int64_t>(1, channels)));
  for (size_t i = 0; i < levels.size(); ++i) levels[i] = static_cast<uint8_t>(i);
  const Tensor input = Tensor::from<uint8_t>(channels ? Shape{1, channels, 256} : Shape{256}, levels);
  std::vector<Node> nodes{g[g[f.source].producer]};
  for (NodeId id : g.order())
    if (std::find(f.nodes.begin(), f.nodes.end(), id) != f.nodes.end()) nodes.push_back(g[id]);
  nodes.push_back(quantize);
  for (Node* end : {&nodes.front(), &nodes.back()}) end->attrs.set("axis", int64_t{channels ? 1 : 0});
  const ValueId bytes = nodes.front().input(0);
  QL_TRY(Tensor table, computed_alone(g, ops, std::move(nodes), bytes, input));
  return channels ? table.reshaped({channels, 256}) : table;
}

// The channels whose parameters differ in front of the function or behind it; 0 where none do.
int64_t distinct_channels(const Graph& g, const Function& f, const QuantParams& out) {
  const QuantParams in = dequantized(g, f.source)->params;
  return in.per_tensor() && out.per_tensor() ? 0 : g[f.source].type.shape[1];
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "QuantizeLinear" || g[g[id].output()].type.dtype != DType::u8) continue;
    Node quantize = g[id];
    const std::optional<QuantParams> out = constant_params(g, quantize, 1);
    if (!out) continue;
    Function f;
    if (!collect(g, quantize.input(0), f) || f.source == kNoValue || f.nodes.empty()) continue;
    if (g[f.source].type.shape != g[quantize.output()].type.shape) continue;
    const int64_t channels = distinct_channels(g, f, *out);
    QL_TRY(Tensor table, table_of(g, ops, f, quantize, channels));
    if (table.type() != TensorType{DType::u8, channels ? Shape{channels, 256} : Shape{256}}) continue;
    ValueId q = dequantized(g, f.source)->q;
    Node node{quantize.name, "ql.Lut", {}, {q, g.add_constant(quantize.name + ".table", std::move(table))}};
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, quantize.output(), std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerLut{"integer_lut", "DequantizeLinear -> function of one value -> QuantizeLinear => ql.Lut", run};

}  // namespace quadlane
