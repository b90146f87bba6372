#include "graph/verify.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace quadlane {
namespace {

template <class Id>
uint32_t index(Id id) {
  return static_cast<uint32_t>(id);
}

std::string where(const Node& node) { return cat("node '", node.name, "' (", node.op, ")"); }

std::vector<NodeId> live_nodes(const Graph& graph) {
  std::vector<NodeId> nodes;
  for (uint32_t n = 0; n < graph.node_capacity(); ++n)
    if (graph.is_live(NodeId{n})) nodes.push_back(NodeId{n});
  return nodes;
}

// A constant whose bytes erase_dead freed.
bool is_erased_constant(const Graph& graph, ValueId id) {
  const Value& value = graph.at(id);
  return value.constant && value.constant->empty() && value.uses.empty() && !graph.is_output(id);
}

bool is_live_value(const Graph& graph, ValueId id) {
  const Value& value = graph.at(id);
  return value.producer == kNoNode ? !is_erased_constant(graph, id) : graph.is_live(value.producer);
}

// Invariant 2 for one reference to a value.
Status check_source(const Graph& graph, ValueId id) {
  if (index(id) >= graph.value_capacity())
    return invalid_model("value id ", index(id), " does not exist, the graph has ", graph.value_capacity(), " values");
  const Value& value = graph.at(id);
  if (value.producer != kNoNode) {
    const Node& node = graph.at(value.producer);
    if (!graph.is_live(value.producer))
      return invalid_model("value '", value.name, "' is produced by the erased ", where(node));
    if (std::find(node.outputs.begin(), node.outputs.end(), id) == node.outputs.end())
      return invalid_model("value '", value.name, "' is not among the outputs of its producer, ", where(node));
    return {};
  }
  if (value.constant) {
    if (value.constant->empty()) return invalid_model("constant '", value.name, "' was erased but is used");
    return {};
  }
  std::span<const ValueId> inputs = graph.inputs();
  if (std::find(inputs.begin(), inputs.end(), id) == inputs.end())
    return invalid_model("value '", value.name, "' has no producer, is no constant and no graph input");
  return {};
}

Status check_sources(const Graph& graph) {
  for (NodeId id : live_nodes(graph))
    for (ValueId input : graph.at(id).inputs)
      if (input != kNoValue) QL_CHECK_OK(check_source(graph, input).context(where(graph.at(id))));
  for (ValueId output : graph.outputs()) QL_CHECK_OK(check_source(graph, output).context("graph output"));
  return {};
}

Status check_uses(const Graph& graph) {
  auto less = [](const Use& a, const Use& b) { return std::tie(a.node, a.input) < std::tie(b.node, b.input); };
  std::vector<std::vector<Use>> expected(graph.value_capacity());
  for (NodeId id : live_nodes(graph)) {
    const Node& node = graph.at(id);
    for (uint32_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue) expected[index(node.inputs[i])].push_back({id, i});  // sorted: ids ascend
  }
  for (uint32_t v = 0; v < expected.size(); ++v) {
    const Value& value = graph.at(ValueId{v});
    std::vector<Use> listed = value.uses;
    std::sort(listed.begin(), listed.end(), less);
    if (listed != expected[v])
      return invalid_model("value '", value.name, "' lists ", listed.size(), " uses that differ from the ",
                           expected[v].size(), " inputs of live nodes that name it");
  }
  return {};
}

Status check_acyclic(const Graph& graph) {
  std::vector<bool> ordered(graph.node_capacity());
  for (NodeId id : graph.order()) ordered[index(id)] = true;
  for (NodeId id : live_nodes(graph)) {
    if (ordered[index(id)]) continue;
    // Every unordered node waits for an unordered producer: walking up must meet a node twice, and that one is on a
    // cycle.
    std::set<NodeId> seen;
    while (seen.insert(id).second)
      for (ValueId input : graph.at(id).inputs)
        if (input != kNoValue && graph.producer(input) && !ordered[index(graph.at(input).producer)]) {
          id = graph.at(input).producer;
          break;
        }
    return invalid_model(where(graph.at(id)), " depends on its own output");
  }
  return {};
}

// Invariants 5 and 7.
Status check_values(const Graph& graph) {
  std::set<std::string_view> names;
  for (uint32_t v = 0; v < graph.value_capacity(); ++v) {
    if (!is_live_value(graph, ValueId{v})) continue;
    const Value& value = graph.at(ValueId{v});
    if (value.name.empty()) return invalid_model("value ", v, " of type ", to_string(value.type), " has an empty name");
    if (!names.insert(value.name).second) return invalid_model("two values are named '", value.name, "'");
    if (value.constant && value.constant->type() != value.type)
      return invalid_model("constant '", value.name, "' holds ", to_string(value.constant->type()),
                           ", its value's type is ", to_string(value.type));
  }
  return {};
}

// Invariants 1 and 6. Trailing optional outputs may be absent.
Status check_node(const Graph& graph, const Node& node, const OpTable& ops) {
  QL_TRY(auto types, infer_types(graph, node, ops));
  if (node.outputs.empty() || node.outputs.size() > types.size())
    return invalid_model(where(node), ": has ", node.outputs.size(), " outputs, inference gives ", types.size());
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const Value& output = graph.at(node.outputs[i]);
    if (output.type != types[i])
      return invalid_model(where(node), ": output '", output.name, "' is ", to_string(output.type),
                           ", inference gives ", to_string(types[i]));
  }
  return {};
}

}  // namespace

Status verify(const Graph& graph, const OpTable& ops) {
  QL_CHECK_OK(check_sources(graph));
  QL_CHECK_OK(check_uses(graph));
  QL_CHECK_OK(check_values(graph));
  QL_CHECK_OK(check_acyclic(graph));
  for (NodeId id : graph.order()) QL_CHECK_OK(check_node(graph, graph.at(id), ops));
  return {};
}

}  // namespace quadlane
