// What an operator is: its arity, its shape inference and its scalar reference. ops/ fills the table; passes, the
// loader and the compiler are handed it, so that graph/ depends on no operator.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace quadlane {

// One node as its operator sees it. Inputs that are constants, or known while folding, carry data; others only a type.
struct OpContext {
  const Node& node;
  std::span<const View> inputs;  // absent optional inputs have a null type; data is null where the value is not known

  bool has(size_t i) const { return i < inputs.size() && inputs[i].type; }
  const TensorType& type(size_t i) const { return *inputs[i].type; }
  const Shape& shape(size_t i) const { return inputs[i].type->shape; }
  // The known value of input i, or null.
  const View* known(size_t i) const { return has(i) && inputs[i].data ? &inputs[i] : nullptr; }
  const Attrs& attrs() const { return node.attrs; }
};

struct OpDef {
  std::string_view name;
  int min_inputs, max_inputs, outputs;  // max_inputs or outputs -1: any number
  std::string_view attributes;          // space-separated names it understands; others are refused while loading
  // Output types, or why the inputs and attributes do not fit. Where the types depend on the values of an input that
  // carries no data (NonZero, the shape of Reshape), Code::needs_value with its name: the node then runs behind the
  // planned part of the graph (tail.h), where every input carries data and infer must give the exact types.
  Result<std::vector<TensorType>> (*infer)(const OpContext&);
  // The scalar reference: computes the outputs, whose types are those infer gave. Inputs all carry data. Allocates at
  // most scratch; never fails on types that infer accepted, except for values infer could not see.
  Status (*eval)(const OpContext&, std::span<const MutView> outputs);
};

class OpTable {
 public:
  explicit OpTable(std::vector<OpDef> defs);
  const OpDef* find(std::string_view op) const;  // null: unknown
  std::span<const OpDef> all() const { return defs_; }

 private:
  std::vector<OpDef> defs_;  // sorted by name
};

// Checks arity and attribute names, then infers. The error's trail names the node.
Result<std::vector<TensorType>> infer_types(const Graph&, const Node&, const OpTable&);
// The same for many nodes: takes what inference itself computes from `work` (folding.h). A node that would need more
// is inferred as if no value were known, for most Code::needs_value.
Result<std::vector<TensorType>> infer_types(const Graph&, const Node&, const OpTable&, double& work);
// Infers and adds in one go. `output_name` names the first output (default: the node's name).
Result<ValueId> add_op(Graph&, const OpTable&, Node, std::string output_name = {});
// Evaluates a node on dense tensors by its reference.
Result<std::vector<Tensor>> eval_node(const Graph&, const Node&, const OpTable&, std::span<const Tensor* const> inputs);

// Runs a whole graph, its tail included, by its references; `observe` (may be empty) sees every value of the graph as
// it is produced.
Result<std::vector<Tensor>> interpret(const Graph&, const OpTable&, std::span<const Tensor> inputs,
                                      const std::function<void(ValueId, const Tensor&)>& observe = {});

}  // namespace quadlane
