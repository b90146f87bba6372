#include "loader/node_order.h"

#include <map>
#include <queue>

namespace quadlane {
namespace {

using Producers = std::map<std::string, int>;

Result<Producers> find_producers(const NodeList& nodes, const std::set<std::string>& own) {
  Producers producers;
  for (int n = 0; n < nodes.size(); ++n) {
    for (const std::string& name : nodes[n].output()) {
      if (name.empty()) continue;
      if (own.count(name))
        return invalid_model(node_label(nodes, n), ": output '", name,
                             "' is also an input or initializer of the graph");
      if (auto [it, added] = producers.emplace(name, n); !added)
        return invalid_model(node_label(nodes, n), ": output '", name, "' is also produced by ",
                             node_label(nodes, it->second));
    }
  }
  return producers;
}

// Nodes the wanted names depend on.
std::vector<bool> needed_nodes(const std::vector<std::set<std::string>>& reads, const std::vector<std::string>& wanted,
                               const Producers& producers) {
  std::vector<bool> needed(reads.size(), false);
  std::vector<size_t> open;
  auto need = [&](const std::string& name) {
    auto it = producers.find(name);
    if (it == producers.end() || needed[static_cast<size_t>(it->second)]) return;
    needed[static_cast<size_t>(it->second)] = true;
    open.push_back(static_cast<size_t>(it->second));
  };
  for (const std::string& name : wanted) need(name);
  while (!open.empty()) {
    size_t n = open.back();
    open.pop_back();
    for (const std::string& name : reads[n]) need(name);
  }
  return needed;
}

// What a subgraph reads of the graphs around it. Names it defines hide theirs.
void add_captures(const onnx::GraphProto& graph, std::set<std::string>& names) {
  std::set<std::string> own, read;
  for (const auto& input : graph.input()) own.insert(input.name());
  for (const auto& tensor : graph.initializer()) own.insert(tensor.name());
  for (const auto& node : graph.node()) {
    own.insert(node.output().begin(), node.output().end());
    read.merge(names_read(node));
  }
  for (const auto& output : graph.output()) read.insert(output.name());
  for (const std::string& name : read)
    if (!own.count(name)) names.insert(name);
}

}  // namespace

std::string node_label(const NodeList& nodes, int index) {
  const onnx::NodeProto& node = nodes[index];
  return node.name().empty() ? cat("node ", index, " (", node.op_type(), ")")
                             : cat("node '", node.name(), "' (", node.op_type(), ")");
}

// Subgraphs nest no deeper than the parser lets messages nest.
std::set<std::string> names_read(const onnx::NodeProto& node) {
  std::set<std::string> names(node.input().begin(), node.input().end());
  for (const auto& attribute : node.attribute()) {
    if (attribute.has_g()) add_captures(attribute.g(), names);
    for (const auto& graph : attribute.graphs()) add_captures(graph, names);
  }
  names.erase("");
  return names;
}

Result<std::vector<int>> node_order(const NodeList& nodes, const std::vector<std::string>& wanted,
                                    const std::set<std::string>& own, const IsGiven& given) {
  QL_TRY(Producers producers, find_producers(nodes, own));
  std::vector<std::set<std::string>> reads;
  for (const onnx::NodeProto& node : nodes) reads.push_back(names_read(node));
  std::vector<bool> needed = needed_nodes(reads, wanted, producers);
  std::vector<int> waiting(needed.size(), 0);
  std::vector<std::vector<int>> readers(needed.size());
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  int total = 0;
  for (int n = 0; n < nodes.size(); ++n) {
    const size_t at = static_cast<size_t>(n);
    for (const std::string& name : reads[at]) {
      auto it = producers.find(name);
      if (it == producers.end()) {
        if (given(name)) continue;
        return invalid_model(node_label(nodes, n), ": input '", name, "' is not produced by anything");
      }
      if (!needed[at]) continue;
      ++waiting[at];
      readers[static_cast<size_t>(it->second)].push_back(n);
    }
    if (!needed[at]) continue;
    ++total;
    if (waiting[at] == 0) ready.push(n);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    int n = ready.top();
    ready.pop();
    order.push_back(n);
    for (int reader : readers[static_cast<size_t>(n)])
      if (--waiting[static_cast<size_t>(reader)] == 0) ready.push(reader);
  }
  if (static_cast<int>(order.size()) == total) return order;
  for (int n = 0; n < nodes.size(); ++n)
    if (needed[static_cast<size_t>(n)] && waiting[static_cast<size_t>(n)] > 0)
      return invalid_model(node_label(nodes, n), ": is part of a cycle, or behind one");
  return order;
}

}  // namespace quadlane
