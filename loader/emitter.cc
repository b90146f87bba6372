#include "loader/upgrade.h"

namespace quadlane {
namespace {

std::vector<TensorType> input_types(const Graph& graph, const Node& node) {
  std::vector<TensorType> types;
  for (ValueId v : node.inputs)
    if (v != kNoValue) types.push_back(graph.at(v).type);
  return types;
}

}  // namespace

const Binding* Scope::find(const std::string& name) const {
  for (const Scope* s = this; s; s = s->outer)
    if (auto it = s->bound.find(name); it != s->bound.end()) return &it->second;
  return nullptr;
}

std::string Emitter::fresh(const std::string& hint) {
  if (taken_.insert(hint).second) return hint;
  std::string name;
  int& next = next_suffix_.emplace(hint, 1).first->second;  // a loop asks for the same hint in every round
  do name = cat(hint, "_", next++);
  while (!taken_.insert(name).second);
  return name;
}

std::string Emitter::graph_name(const std::string& name) {
  if (scope_->prefix.empty()) return name;
  constexpr size_t kLongest = 100;  // a long name in a loop would be stored for every round
  return fresh(scope_->prefix + name.substr(0, kLongest));
}

ValueId Emitter::add_constant(const std::string& hint, Tensor value) {
  return graph_.add_constant(fresh(hint), std::move(value));
}

ValueId Emitter::as_scalar(ValueId v) {
  const Tensor* value = graph_.constant(v);
  if (!value || value->shape() != Shape{1}) return v;
  return add_constant(graph_.at(v).name + ".scalar", value->reshaped({}));
}

void Emitter::bind_constant(const std::string& name, Tensor value, bool four_bits) {
  bind(name, Binding{graph_.add_constant(graph_name(name), std::move(value)), nullptr, false, four_bits});
}

const ValueId* Emitter::find(const std::string& name) const {
  const Binding* found = scope_->find(name);
  return found && found->value != kNoValue ? &found->value : nullptr;
}

Result<bool> Emitter::folds(const Node& node, std::span<const TensorType> types) const {
  const bool all = folding_ == Folding::all;
  if (!all && (node.op == "DequantizeLinear" || node.inputs.empty())) return false;
  for (ValueId v : node.inputs)
    if (v != kNoValue && !graph_.constant(v)) return false;
  const std::vector<TensorType> inputs = input_types(graph_, node);
  if (fold_.allows(node, inputs, types)) return true;
  if (!all) return false;
  return make_error(Code::out_of_memory, "node '", node.name, "' (", node.op, ") makes ", to_string(types[0]),
                    ", the limits are ", fold_.elements, " elements, and left are ", fold_.bytes, " bytes and ",
                    fold_.work, " steps");
}

Status Emitter::evaluate(const Node& node, std::span<const MutView> outputs) const {
  std::vector<const Tensor*> inputs;
  std::vector<View> views;
  for (ValueId v : node.inputs) {
    inputs.push_back(v == kNoValue ? nullptr : graph_.constant(v));
    views.push_back(v == kNoValue ? View{} : inputs.back()->view());
  }
  if (heavy_) {
    QL_TRY(bool done, heavy_(node, inputs, outputs));
    if (done) return {};
  }
  return ops_.find(node.op)->eval({node, views}, outputs);
}

Result<std::vector<ValueId>> Emitter::emit(Node node, std::span<const std::string> output_names) {
  QL_TRY(std::vector<TensorType> types, infer_types(graph_, node, ops_, fold_.work));
  for (const TensorType& type : types)
    if (auto count = element_count(type.shape, options_.max_shape); !count.ok())
      return std::move(count).context(cat("node '", node.name, "' (", node.op, ")")).error();
  std::vector<std::string> names(output_names.begin(), output_names.end());
  names.resize(types.size());
  for (std::string& name : names) name = name.empty() ? fresh(cat(node.name, "_output")) : graph_name(name);
  QL_TRY(bool constant, folds(node, types));
  if (!constant) {
    NodeId id = graph_.add_node(std::move(node), types, names);
    return graph_.at(id).outputs;
  }
  fold_.spend(node, input_types(graph_, node), types);
  std::vector<Tensor> tensors;
  std::vector<MutView> targets;
  for (const TensorType& type : types) {
    QL_TRY(Tensor tensor, Tensor::allocate(type));
    tensors.push_back(std::move(tensor));
  }
  for (Tensor& tensor : tensors) targets.push_back(tensor.mut_view());
  if (Status s = evaluate(node, targets); !s.ok())
    return std::move(std::move(s).context(cat("node '", node.name, "' (", node.op, ")"))).error();
  std::vector<ValueId> values;
  for (size_t i = 0; i < tensors.size(); ++i) values.push_back(graph_.add_constant(names[i], std::move(tensors[i])));
  return values;
}

Result<ValueId> Emitter::emit_one(Node node, const std::string& output_hint) {
  std::string name = scope_->prefix.empty() ? fresh(output_hint) : output_hint;
  QL_TRY(std::vector<ValueId> values, emit(std::move(node), std::span(&name, 1)));
  return values[0];
}

}  // namespace quadlane
