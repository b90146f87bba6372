// unsigned_activations: QuantizeLinear(x) s8  =>  QuantizeLinear(x) u8, zero points + 128
//
// Integer operators work on u8. Where a QuantizeLinear to s8 is read by DequantizeLinear nodes only, both move by 128:
// q + 128 - (zero + 128) = q - zero, and the clamp to [-128, 127] becomes the one to [0, 255]. An output of the graph, as
// `compare --layers` makes them, is brought back: through floats, whole numbers.
#include <algorithm>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

bool is_signed_activation(const Graph& g, const Node& node) {
  if (node.op != "QuantizeLinear" || g[node.output()].type.dtype != DType::s8) return false;
  if (node.input(2) != kNoValue && !g.constant(node.input(2))) return false;
  const std::vector<Use>& uses = g[node.output()].uses;
  return !uses.empty() && std::all_of(uses.begin(), uses.end(), [&](const Use& use) {
    const Node& dq = g[use.node];
    return dq.op == "DequantizeLinear" && use.input == 0 && (dq.input(2) == kNoValue || g.constant(dq.input(2)));
  });
}

// The zero point as u8, 128 higher; zeros of the scale's shape where there is none.
ValueId shifted_zero(Graph& g, const Node& node) {
  const Shape shape = g[node.input(1)].type.shape;
  std::vector<uint8_t> zero(static_cast<size_t>(elements(shape)), 128);
  if (node.input(2) != kNoValue)
    for (size_t i = 0; i < zero.size(); ++i)
      zero[i] = static_cast<uint8_t>(g.constant(node.input(2))->as<int8_t>()[i] + 128);
  return g.add_constant(node.name + ".zero_u8", Tensor::from<uint8_t>(shape, zero));
}

// QuantizeLinear(q - 128) s8 in the place of the old value.
Status bring_back(Graph& g, const OpTable& ops, ValueId old, ValueId q) {
  const std::string name = g[old].name;
  const ValueId one = g.add_constant(name + ".one", Tensor::scalar<float>(1)),
                middle = g.add_constant(name + ".middle", Tensor::scalar<uint8_t>(128)),
                zero = g.add_constant(name + ".zero", Tensor::scalar<int8_t>(0));
  QL_TRY(ValueId levels, add_op(g, ops, Node{name + ".levels", "DequantizeLinear", {}, {q, one, middle}, {}}));
  QL_TRY([[maybe_unused]] ValueId v,
         replace_with(g, ops, old, Node{name + ".signed", "QuantizeLinear", {}, {levels, one, zero}, {}}));
  return {};
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !is_signed_activation(g, g[id])) continue;
    Node quantize = g[id];
    std::vector<Use> readers = g[quantize.output()].uses;
    quantize.inputs.resize(3, kNoValue);
    quantize.inputs[2] = shifted_zero(g, quantize);
    quantize.attrs.erase("output_dtype");
    const ValueId old = g[id].output();
    QL_TRY(ValueId q, add_op(g, ops, quantize, g[old].name + ".u8"));
    for (const Use& use : readers) {
      Node dequantize = g[use.node];
      dequantize.inputs.resize(3, kNoValue);
      dequantize.inputs[2] = shifted_zero(g, dequantize);
      dequantize.inputs[0] = q;
      QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, g[use.node].output(), std::move(dequantize)));
    }
    if (g.is_output(old)) QL_CHECK_OK(bring_back(g, ops, old, q));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kUnsignedActivations{"unsigned_activations", "s8 activations => u8 activations", run};

}  // namespace quadlane
