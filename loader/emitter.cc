#include "loader/upgrade.h"

namespace quadlane {

std::string Emitter::fresh(const std::string& hint) {
  std::string name = hint;
  for (int i = 1; !taken_.insert(name).second; ++i) name = cat(hint, "_", i);
  return name;
}

ValueId Emitter::add_constant(const std::string& hint, Tensor value) {
  return graph_.add_constant(fresh(hint), std::move(value));
}

ValueId Emitter::as_scalar(ValueId v) {
  const Tensor* value = graph_.constant(v);
  if (!value || value->shape() != Shape{1}) return v;
  return add_constant(graph_.at(v).name + ".scalar", value->reshaped({}));
}

void Emitter::bind_constant(const std::string& name, Tensor value) {
  bind(name, graph_.add_constant(name, std::move(value)));
}

const ValueId* Emitter::find(const std::string& name) const {
  auto it = bound_.find(name);
  return it == bound_.end() ? nullptr : &it->second;
}

bool Emitter::folds(const Node& node, std::span<const TensorType> types) const {
  if (node.op == "DequantizeLinear" || node.inputs.empty()) return false;
  for (ValueId v : node.inputs)
    if (v != kNoValue && !graph_.constant(v)) return false;
  size_t bytes = 0;
  for (const TensorType& type : types) {
    if (type.count() > fold_.elements) return false;
    bytes += type.bytes();
  }
  return bytes <= fold_.bytes;
}

Result<std::vector<ValueId>> Emitter::emit(Node node, std::span<const std::string> output_names) {
  QL_TRY(std::vector<TensorType> types, infer_types(graph_, node, ops_));
  std::vector<std::string> names(output_names.begin(), output_names.end());
  names.resize(types.size());
  for (std::string& name : names)
    if (name.empty()) name = fresh(cat(node.name, "_output"));
  if (!folds(node, types)) {
    NodeId id = graph_.add_node(std::move(node), types, names);
    return graph_.at(id).outputs;
  }
  std::vector<View> views;
  for (ValueId v : node.inputs) views.push_back(v == kNoValue ? View{} : graph_.constant(v)->view());
  std::vector<Tensor> tensors;
  std::vector<MutView> targets;
  for (const TensorType& type : types) {
    QL_TRY(Tensor tensor, Tensor::allocate(type));
    fold_.bytes -= type.bytes();
    tensors.push_back(std::move(tensor));
  }
  for (Tensor& tensor : tensors) targets.push_back(tensor.mut_view());
  if (Status s = ops_.find(node.op)->eval({node, views}, targets); !s.ok())
    return std::move(std::move(s).context(cat("node '", node.name, "' (", node.op, ")"))).error();
  std::vector<ValueId> values;
  for (size_t i = 0; i < tensors.size(); ++i) values.push_back(graph_.add_constant(names[i], std::move(tensors[i])));
  return values;
}

Result<ValueId> Emitter::emit_one(Node node, const std::string& output_hint) {
  std::string name = fresh(output_hint);
  QL_TRY(std::vector<ValueId> values, emit(std::move(node), std::span(&name, 1)));
  return values[0];
}

}  // namespace quadlane
