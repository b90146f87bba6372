#include "loader/longest_text.h"

#include <algorithm>

namespace quadlane {
namespace {

// Subgraphs nest no deeper than the parser lets messages nest.
class Longest {
 public:
  void see(const std::string& text) { bytes_ = std::max(bytes_, text.size()); }
  void see(const google::protobuf::RepeatedPtrField<std::string>& texts) {
    for (const std::string& text : texts) see(text);
  }
  void see(const onnx::ValueInfoProto& value) {
    see(value.name());
    for (const auto& dim : value.type().tensor_type().shape().dim()) see(dim.dim_param());
  }
  void see(const onnx::TensorProto& tensor) {
    see(tensor.name());
    for (const auto& entry : tensor.external_data()) see(entry.key()), see(entry.value());
  }
  void see(const onnx::NodeProto& node) {
    see(node.name()), see(node.op_type()), see(node.domain()), see(node.input()), see(node.output());
    for (const auto& attribute : node.attribute()) see(attribute);
  }
  void see(const onnx::AttributeProto& attribute) {
    see(attribute.name()), see(attribute.ref_attr_name()), see(attribute.s()), see(attribute.strings());
    if (attribute.has_t()) see(attribute.t());
    if (attribute.has_g()) see(attribute.g());
    for (const auto& graph : attribute.graphs()) see(graph);
  }
  void see(const onnx::GraphProto& graph) {
    see(graph.name());
    for (const auto& tensor : graph.initializer()) see(tensor);
    for (const auto* list : {&graph.input(), &graph.output()})
      for (const auto& value : *list) see(value);
    for (const auto& node : graph.node()) see(node);
  }
  void see(const onnx::FunctionProto& function) {
    see(function.name()), see(function.domain()), see(function.input()), see(function.output());
    see(function.attribute()), see(function.opset_import());
    for (const auto& node : function.node()) see(node);
  }
  void see(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& sets) {
    for (const auto& set : sets) see(set.domain());
  }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

}  // namespace

size_t longest_text(const onnx::ModelProto& model) {
  Longest longest;
  longest.see(model.graph());
  for (const auto& function : model.functions()) longest.see(function);
  longest.see(model.opset_import());
  for (const auto& entry : model.metadata_props()) longest.see(entry.key());
  return longest.bytes();
}

}  // namespace quadlane
