#include "graph/tail.h"
#include "graph/text.h"
#include "graph/text_tensor.h"

namespace quadlane {
namespace {

std::string value_text(const Graph& graph, ValueId id) {
  return id == kNoValue ? "_" : "%" + name_text(graph.at(id).name);
}

std::string typed_text(const Graph& graph, ValueId id) {
  return cat(value_text(graph, id), ": ", to_string(graph.at(id).type));
}

template <class Items, class F>
std::string join(const Items& items, const char* separator, F text) {
  std::string s;
  for (size_t i = 0; i < items.size(); ++i) s += (i ? separator : "") + text(items[i]);
  return s;
}

struct AttrText {
  int64_t max_elements;

  std::string operator()(int64_t value) const { return cat(value); }
  std::string operator()(float value) const { return float_text(value); }
  std::string operator()(const std::string& value) const { return quote(value); }
  std::string operator()(const std::vector<int64_t>& values) const { return to_string(values); }
  std::string operator()(const std::vector<float>& values) const {
    return values.empty() ? "floats[]" : cat("[", join(values, ",", float_text), "]");
  }
  std::string operator()(const Tensor& value) const {
    return to_string(value.type()) + (value.empty() ? "zeros" : elements_text(value, max_elements));
  }
};

std::string node_text(const Graph& graph, const Node& node, const PrintOptions& options) {
  std::string s = cat(join(node.outputs, ", ", [&](ValueId id) { return typed_text(graph, id); }), " = ", node.op, "(",
                      join(node.inputs, ", ", [&](ValueId id) { return value_text(graph, id); }), ")");
  if (node.outputs.empty() || node.name != graph.at(node.outputs[0]).name) s += " name=" + quote(node.name);
  return s + attributes_text(node, options);
}

}  // namespace

std::string attributes_text(const Node& node, const PrintOptions& options) {
  std::string s;
  for (const auto& [name, value] : node.attrs)
    // "name" is the node's own; an attribute called so is quoted.
    s += cat(" ", name == "name" ? quote(name) : name_text(name), "=",
             std::visit(AttrText{options.max_elements}, value));
  return s;
}

std::string print(const Graph& graph, const PrintOptions& options) {
  std::string s = cat("graph ", quote(graph.name), "\n");
  for (ValueId id : graph.inputs()) s += cat("input ", typed_text(graph, id), "\n");
  for (uint32_t v = 0; v < graph.value_capacity(); ++v) {
    const Value& value = graph.at(ValueId{v});
    if (!value.constant || (value.uses.empty() && !graph.is_output(ValueId{v}))) continue;
    s +=
        cat("const ", typed_text(graph, ValueId{v}), " = ", elements_text(*value.constant, options.max_elements), "\n");
  }
  for (NodeId id : graph.order()) s += node_text(graph, graph.at(id), options) + "\n";
  for (ValueId id : graph.outputs()) s += cat("output ", value_text(graph, id), "\n");
  if (graph.tail)
    for (const std::string& node : graph.tail->nodes()) s += cat("# tail: ", quote(node), "\n");
  return s;
}

}  // namespace quadlane
