// One node on its way into the graph: the draft as the file has it, and what an upgrade may use to make it canonical.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>
#include <utility>

#include "graph/op_table.h"

namespace quadlane {

struct Draft {
  Node node;                         // inputs resolved; outputs empty, the names below become them
  std::vector<std::string> outputs;  // as in the file; "" where absent
  int version = 0;                   // of the operator's definition
  bool finished = false;             // every used output has been bound already: nothing is left to add

  Attrs& attrs() { return node.attrs; }
  size_t input_count() const { return node.inputs.size(); }
  // Sets input i, filling the ones before it with absent inputs.
  void set_input(size_t i, ValueId value) {
    if (node.inputs.size() <= i) node.inputs.resize(i + 1, kNoValue);
    node.inputs[i] = value;
  }
};

// The graph under construction.
class Emitter {
 public:
  struct Limits {
    int64_t elements;
    size_t bytes;
  };
  Emitter(Graph& graph, const OpTable& ops, Limits fold_limits, bool widen_half)
      : graph_(graph), ops_(ops), fold_(fold_limits), widen_half_(widen_half) {}

  const OpTable& ops() const { return ops_; }
  bool widen_half() const { return widen_half_; }
  bool has(ValueId v) const { return v != kNoValue; }
  const TensorType& type(ValueId v) const { return graph_.at(v).type; }
  const Tensor* constant(ValueId v) const { return graph_.constant(v); }

  // A new constant; `hint` is made unique among the file's names and those given out before.
  ValueId add_constant(const std::string& hint, Tensor);
  ValueId add_ints(const std::string& hint, const std::vector<int64_t>& values) {
    return add_constant(hint, Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
  }
  // A constant of shape [1] as a scalar, anything else as it is. Scales and zero points mean the same in both shapes,
  // and files mix them.
  ValueId as_scalar(ValueId);
  // Adds a node, or its value when every input is a constant (DequantizeLinear excepted) and the limits allow.
  // Names that are absent are made up.
  Result<std::vector<ValueId>> emit(Node node, std::span<const std::string> output_names);
  Result<ValueId> emit_one(Node node, const std::string& output_hint);

  // The file's names: values keep them exactly, so made-up names stay clear of all of them.
  void reserve_name(const std::string& name) { taken_.insert(name); }
  void bind(const std::string& name, ValueId value) { bound_[name] = value; }
  void bind_constant(const std::string& name, Tensor value);
  const ValueId* find(const std::string& name) const;

  std::set<std::string> used;  // names some node or the graph's outputs read

 private:
  std::string fresh(const std::string& hint);
  bool folds(const Node&, std::span<const TensorType>) const;

  Graph& graph_;
  const OpTable& ops_;
  Limits fold_;
  bool widen_half_;
  std::set<std::string> taken_;
  std::map<std::string, ValueId> bound_;
};

using UpgradeFn = Status (*)(Draft&, Emitter&);

// upgrade_shape.cc: shapes and their glue
Status upgrade_axes_attribute(Draft&, Emitter&);  // Squeeze, Unsqueeze, Reduce*
Status upgrade_split(Draft&, Emitter&);
Status upgrade_slice(Draft&, Emitter&);
Status upgrade_pad(Draft&, Emitter&);
Status upgrade_shape(Draft&, Emitter&);
Status upgrade_size(Draft&, Emitter&);
Status upgrade_constant(Draft&, Emitter&);
Status upgrade_cast(Draft&, Emitter&);
Status upgrade_cast_like(Draft&, Emitter&);
Status upgrade_scatter(Draft&, Emitter&);
Status upgrade_topk(Draft&, Emitter&);
// upgrade_nn.cc: layers
Status upgrade_broadcast(Draft&, Emitter&);  // two-operand arithmetic and comparison
Status upgrade_gemm(Draft&, Emitter&);
Status upgrade_clip(Draft&, Emitter&);
Status upgrade_softmax(Draft&, Emitter&);
Status upgrade_batch_norm(Draft&, Emitter&);
Status upgrade_dropout(Draft&, Emitter&);
Status upgrade_max_pool(Draft&, Emitter&);
Status upgrade_quantize(Draft&, Emitter&);
// upgrade_resize.cc
Status upgrade_upsample(Draft&, Emitter&);
Status upgrade_resize(Draft&, Emitter&);
// upgrade_qoperator.cc
Status upgrade_qlinear_conv(Draft&, Emitter&);
Status upgrade_qlinear_matmul(Draft&, Emitter&);
Status upgrade_qlinear_binary(Draft&, Emitter&);
Status upgrade_qlinear_unary(Draft&, Emitter&);
Status upgrade_qlinear_softmax(Draft&, Emitter&);
Status upgrade_qlinear_concat(Draft&, Emitter&);
Status upgrade_qgemm(Draft&, Emitter&);

}  // namespace quadlane
Status upgrade_layer_norm(Draft&, Emitter&);
Status upgrade_grid_sample(Draft&, Emitter&);
Status upgrade_roi_align(Draft&, Emitter&);
Status upgrade_group_norm(Draft&, Emitter&);
