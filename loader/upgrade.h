// One node on its way into the graph: the draft as the file has it, and what an upgrade may use to make it canonical.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/folding.h"
#include "graph/op_table.h"
#include "graph/tail.h"
#include "loader/load.h"

namespace quadlane {

struct Draft {
  Node node;                         // inputs resolved; outputs empty, the names below become them
  std::vector<std::string> outputs;  // as in the file; "" where absent
  int version = 0;                   // of the operator's definition
  bool finished = false;             // every used output has been bound already: nothing is left to add
  bool four_bits = false;            // an input is, afterwards the outputs are, as Binding says

  Attrs& attrs() { return node.attrs; }
  size_t input_count() const { return node.inputs.size(); }
  // Sets input i, filling the ones before it with absent inputs.
  void set_input(size_t i, ValueId value) {
    if (node.inputs.size() <= i) node.inputs.resize(i + 1, kNoValue);
    node.inputs[i] = value;
  }
};

// What a name of the file stands for: a tensor, a sequence of tensors, or something only known when data runs.
struct Binding {
  ValueId value = kNoValue;                                // kNoValue: an absent optional input
  std::shared_ptr<const std::vector<ValueId>> sequence{};  // instead of `value`
  bool later = false;                                      // the tail computes it
  bool four_bits = false;  // bytes that the file calls int4 or uint4: few operators take them
};

// The names of one graph of the file: the main graph, a branch, one round of a loop, a call of a function.
struct Scope {
  const Scope* outer = nullptr;  // whose names are visible too; null for the main graph and functions
  std::string prefix;            // of what its values are called in the graph; the main graph's keep the file's names
  std::set<std::string> used;    // names some node or the outputs read
  std::map<std::string, Binding> bound;

  const Binding* find(const std::string& name) const;
};

// The graph under construction.
class Emitter {
 public:
  // Which nodes become values: those of constants as far as the budget goes, DequantizeLinear excepted; or all of them,
  // where every value is known and what exceeds the budget is an error.
  enum class Folding : uint8_t { constants, all };
  Emitter(Graph& graph, const OpTable& ops, FoldBudget fold, const LoadOptions& options,
          Folding folding = Folding::constants, HeavyNodes heavy = {})
      : graph_(graph), ops_(ops), fold_(fold), options_(options), folding_(folding), heavy_(std::move(heavy)) {}

  const OpTable& ops() const { return ops_; }
  bool widen_half() const { return options_.widen_half; }
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
  void bind(const std::string& name, ValueId value) { bind(name, Binding{value}); }
  void bind(const std::string& name, Binding what) { scope_->bound[name] = std::move(what); }
  void bind_constant(const std::string& name, Tensor value, bool four_bits = false);
  // A tensor by its name in the current scope or an outer one, or null.
  const ValueId* find(const std::string& name) const;
  bool is_used(const std::string& name) const { return scope_->used.count(name) != 0; }

  Scope& scope() { return *scope_; }
  const Scope& scope() const { return *scope_; }
  // Makes `inner` the current scope; the caller puts the one that was current back.
  Scope* enter(Scope* inner) { return std::exchange(scope_, inner); }
  // A name of the current scope as the graph will know it, or what is made of it.
  std::string graph_name(const std::string& name);

 private:
  std::string fresh(const std::string& hint);
  Result<bool> folds(const Node&, std::span<const TensorType>) const;
  Status evaluate(const Node&, std::span<const MutView> outputs) const;

  Graph& graph_;
  const OpTable& ops_;
  FoldBudget fold_;
  const LoadOptions& options_;
  Folding folding_;
  HeavyNodes heavy_;
  std::set<std::string> taken_;
  std::map<std::string, int> next_suffix_;
  Scope main_;
  Scope* scope_ = &main_;
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
Status upgrade_prelu(Draft&, Emitter&);
Status upgrade_batch_norm(Draft&, Emitter&);
Status upgrade_dropout(Draft&, Emitter&);
Status upgrade_max_pool(Draft&, Emitter&);
Status upgrade_layer_norm(Draft&, Emitter&);
Status upgrade_grid_sample(Draft&, Emitter&);
Status upgrade_roi_align(Draft&, Emitter&);
Status upgrade_group_norm(Draft&, Emitter&);
Status upgrade_quantize(Draft&, Emitter&);
// upgrade_attention.cc
Status upgrade_attention(Draft&, Emitter&);
// upgrade_fused.cc: of com.microsoft
Status upgrade_fused_conv(Draft&, Emitter&);
Status upgrade_fused_gemm(Draft&, Emitter&);
Status upgrade_fused_matmul(Draft&, Emitter&);
Status upgrade_bias_gelu(Draft&, Emitter&);  // and FastGelu
Status upgrade_quick_gelu(Draft&, Emitter&);
Status upgrade_skip_layer_norm(Draft&, Emitter&);  // and SkipSimplifiedLayerNormalization
Status upgrade_simplified_layer_norm(Draft&, Emitter&);
// upgrade_resize.cc
Status upgrade_upsample(Draft&, Emitter&);
Status upgrade_resize(Draft&, Emitter&);
// upgrade_qoperator.cc
Status upgrade_qlinear_conv(Draft&, Emitter&);
Status upgrade_qlinear_matmul(Draft&, Emitter&);
Status upgrade_qlinear_binary(Draft&, Emitter&);
Status upgrade_qlinear_unary(Draft&, Emitter&);
Status upgrade_qlinear_pool(Draft&, Emitter&);
Status upgrade_qlinear_where(Draft&, Emitter&);
Status upgrade_qlinear_softmax(Draft&, Emitter&);
Status upgrade_qlinear_reduce_mean(Draft&, Emitter&);
Status upgrade_qlinear_concat(Draft&, Emitter&);
Status upgrade_qgemm(Draft&, Emitter&);
Status upgrade_matmul_integer_to_float(Draft&, Emitter&);
Status upgrade_dynamic_quantize_matmul(Draft&, Emitter&);

}  // namespace quadlane
