#include "loader/node_order.h"

#include <functional>
#include <map>
#include <queue>

namespace quadlane {
namespace {

using Producers = std::map<std::string, int>;

Result<Producers> find_producers(const onnx::GraphProto& graph, const std::set<std::string>& given) {
  Producers producers;
  for (int n = 0; n < graph.node_size(); ++n) {
    for (const std::string& name : graph.node(n).output()) {
      if (name.empty()) continue;
      if (given.count(name))
        return invalid_model(node_label(graph, n), ": output '", name,
                             "' is also an input or initializer of the graph");
      if (auto [it, added] = producers.emplace(name, n); !added)
        return invalid_model(node_label(graph, n), ": output '", name, "' is also produced by ",
                             node_label(graph, it->second));
    }
  }
  return producers;
}

// Nodes the graph's outputs depend on.
std::vector<bool> needed_nodes(const onnx::GraphProto& graph, const Producers& producers) {
  std::vector<bool> needed(static_cast<size_t>(graph.node_size()), false);
  std::vector<int> open;
  auto need = [&](const std::string& name) {
    auto it = producers.find(name);
    if (it == producers.end() || needed[static_cast<size_t>(it->second)]) return;
    needed[static_cast<size_t>(it->second)] = true;
    open.push_back(it->second);
  };
  for (const auto& output : graph.output()) need(output.name());
  while (!open.empty()) {
    int n = open.back();
    open.pop_back();
    for (const std::string& name : graph.node(n).input()) need(name);
  }
  return needed;
}

}  // namespace

std::string node_label(const onnx::GraphProto& graph, int index) {
  const onnx::NodeProto& node = graph.node(index);
  return node.name().empty() ? cat("node ", index, " (", node.op_type(), ")")
                             : cat("node '", node.name(), "' (", node.op_type(), ")");
}

Result<std::vector<int>> node_order(const onnx::GraphProto& graph, const std::set<std::string>& given) {
  QL_TRY(Producers producers, find_producers(graph, given));
  std::vector<bool> needed = needed_nodes(graph, producers);
  std::vector<int> waiting(needed.size(), 0);
  std::vector<std::vector<int>> readers(needed.size());
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  int total = 0;
  for (int n = 0; n < graph.node_size(); ++n) {
    for (const std::string& name : graph.node(n).input()) {
      if (name.empty() || given.count(name)) continue;
      auto it = producers.find(name);
      if (it == producers.end())
        return invalid_model(node_label(graph, n), ": input '", name, "' is not produced by anything");
      if (!needed[static_cast<size_t>(n)]) continue;
      ++waiting[static_cast<size_t>(n)];
      readers[static_cast<size_t>(it->second)].push_back(n);
    }
    if (!needed[static_cast<size_t>(n)]) continue;
    ++total;
    if (waiting[static_cast<size_t>(n)] == 0) ready.push(n);
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
  for (int n = 0; n < graph.node_size(); ++n)
    if (needed[static_cast<size_t>(n)] && waiting[static_cast<size_t>(n)] > 0)
      return invalid_model(node_label(graph, n), ": is part of a cycle, or behind one");
  return order;
}

}  // namespace quadlane
