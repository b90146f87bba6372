#include "graph/graph.h"

#include <algorithm>
#include <queue>

namespace quadlane {
namespace {

uint32_t index(ValueId id) { return static_cast<uint32_t>(id); }
uint32_t index(NodeId id) { return static_cast<uint32_t>(id); }

}  // namespace

ValueId Graph::add_value(std::string name, TensorType type) {
  if (name.empty()) name = "v";
  if (names_.count(name)) {
    std::string base = name;
    for (size_t i = 1; names_.count(name); ++i) name = cat(base, "_", i);
  }
  ValueId id{static_cast<uint32_t>(values_.size())};
  names_[name] = id;
  Value value;
  value.name = std::move(name);
  value.type = std::move(type);
  values_.push_back(std::move(value));
  return id;
}

ValueId Graph::add_input(std::string name, TensorType type) {
  ValueId id = add_value(std::move(name), std::move(type));
  inputs_.push_back(id);
  return id;
}

ValueId Graph::add_constant(std::string name, Tensor tensor) {
  ValueId id = add_value(std::move(name), tensor.type());
  values_[index(id)].constant = std::move(tensor);
  return id;
}

NodeId Graph::add_node(Node node, std::span<const TensorType> types, std::span<const std::string> names) {
  NodeId id{static_cast<uint32_t>(nodes_.size())};
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != kNoValue) values_[index(node.inputs[i])].uses.push_back({id, static_cast<uint32_t>(i)});
  node.outputs.clear();
  for (size_t i = 0; i < types.size(); ++i) {
    std::string name = i < names.size() && !names[i].empty()
                           ? names[i]
                           : cat(node.name.empty() ? node.op : node.name, i ? cat(".", i) : "");
    ValueId out = add_value(std::move(name), types[i]);
    values_[index(out)].producer = id;
    node.outputs.push_back(out);
  }
  nodes_.push_back({std::move(node), true});
  return id;
}

void Graph::drop_use(ValueId value, Use use) {
  if (value == kNoValue) return;
  auto& uses = values_[index(value)].uses;
  uses.erase(std::remove(uses.begin(), uses.end(), use), uses.end());
}

void Graph::set_input(NodeId node, size_t input, ValueId to) {
  auto& inputs = nodes_[index(node)].node.inputs;
  if (input >= inputs.size()) inputs.resize(input + 1, kNoValue);
  Use use{node, static_cast<uint32_t>(input)};
  drop_use(inputs[input], use);
  inputs[input] = to;
  if (to != kNoValue) values_[index(to)].uses.push_back(use);
}

void Graph::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  for (Use use : std::vector<Use>(values_[index(from)].uses)) set_input(use.node, use.input, to);
  bool was_output = is_output(from);
  std::replace(outputs_.begin(), outputs_.end(), from, to);
  if (!was_output) return;
  // The interface keeps its name, unless `to` is part of the interface itself.
  bool fixed = std::count(inputs_.begin(), inputs_.end(), to) || std::count(outputs_.begin(), outputs_.end(), to) > 1;
  if (fixed) return;
  std::string name = values_[index(from)].name;
  rename(from, name + ".replaced");
  rename(to, name);
}

void Graph::rename(ValueId id, std::string name) {
  std::string& current = values_[index(id)].name;
  if (current == name) return;
  if (names_.count(name)) {
    std::string base = name;
    for (size_t i = 1; names_.count(name); ++i) name = cat(base, "_", i);
  }
  auto taken = names_.find(current);
  if (taken != names_.end() && taken->second == id) names_.erase(taken);  // an erased value's name may be another's now
  names_[name] = id;
  current = std::move(name);
}

bool Graph::is_output(ValueId id) const { return std::find(outputs_.begin(), outputs_.end(), id) != outputs_.end(); }

size_t Graph::erase_dead() {
  size_t erased = 0;
  std::vector<NodeId> nodes = order();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    NodeEntry& entry = nodes_[index(*it)];
    bool used = std::any_of(entry.node.outputs.begin(), entry.node.outputs.end(),
                            [&](ValueId v) { return !values_[index(v)].uses.empty() || is_output(v); });
    if (used) continue;
    for (size_t i = 0; i < entry.node.inputs.size(); ++i)
      drop_use(entry.node.inputs[i], {*it, static_cast<uint32_t>(i)});
    for (ValueId v : entry.node.outputs) names_.erase(values_[index(v)].name);
    entry.alive = false;
    ++erased;
  }
  for (Value& value : values_)
    if (value.constant && value.uses.empty() && names_.count(value.name) && !is_output(names_[value.name]))
      value.constant = Tensor();  // frees the bytes, keeps the id
  return erased;
}

std::optional<ValueId> Graph::find(const std::string& name) const {
  const auto found = names_.find(name);
  if (found == names_.end() || at(found->second).constant) return std::nullopt;
  return found->second;
}

std::vector<NodeId> Graph::order() const {
  std::vector<uint32_t> waiting(nodes_.size(), 0);
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  for (uint32_t n = 0; n < nodes_.size(); ++n) {
    if (!nodes_[n].alive) continue;
    for (ValueId in : nodes_[n].node.inputs)
      if (in != kNoValue && values_[index(in)].producer != kNoNode) ++waiting[n];
    if (waiting[n] == 0) ready.push(n);
  }
  std::vector<NodeId> result;
  while (!ready.empty()) {
    uint32_t n = ready.top();
    ready.pop();
    result.push_back(NodeId{n});
    for (ValueId out : nodes_[n].node.outputs)
      for (const Use& use : values_[index(out)].uses)
        if (--waiting[index(use.node)] == 0) ready.push(index(use.node));
  }
  return result;  // shorter than node_count() when there is a cycle: verify() reports it
}

size_t Graph::node_count() const {
  return static_cast<size_t>(std::count_if(nodes_.begin(), nodes_.end(), [](const NodeEntry& e) { return e.alive; }));
}

}  // namespace quadlane
