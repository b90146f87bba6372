#include "graph/passes/computed_alone.h"

#include <map>

#include "graph/passes/quant_match.h"

namespace quadlane {

Result<Tensor> computed_alone(const Graph& g, const OpTable& ops, std::vector<Node> nodes, ValueId root,
                              const Tensor& x) {
  Graph scratch;
  ValueId last = scratch.add_input("x", x.type());
  std::map<ValueId, ValueId> copies{{root, last}};
  for (Node& node : nodes) {
    const ValueId result = node.output();
    const bool quantizer = is_one_of(node.op, {"DequantizeLinear", "QuantizeLinear"});
    const bool scalars = !quantizer || constant_params(g, node, 1)->per_tensor();
    for (ValueId& in : node.inputs) {
      if (in == kNoValue) continue;
      const Tensor* t = g.constant(in);
      in = t ? scratch.add_constant("", scalars ? first_element(*t) : *t) : copies.at(in);
    }
    QL_TRY(last, add_op(scratch, ops, std::move(node)));
    copies[result] = last;
  }
  scratch.set_outputs({last});
  QL_TRY(std::vector<Tensor> results, interpret(scratch, ops, std::span<const Tensor>(&x, 1)));
  return std::move(results[0]);
}

}  // namespace quadlane
