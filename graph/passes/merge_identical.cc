// merge_identical: a = Op(x), b = Op(x)  =>  a
//
// Nodes of equal operator, attributes and inputs compute equal values; constants of equal type and bytes are equal.
// Exporters repeat constants and shape arithmetic for every use.
#include <cstring>
#include <unordered_map>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

void append_bytes(std::string& key, const void* data, size_t bytes) {
  key.append(static_cast<const char*>(data), bytes);
}

void append_tensor(std::string& key, const Tensor& t) {
  key += to_string(t.type());
  append_bytes(key, t.data(), t.type().bytes());
}

struct AppendAttr {
  std::string& key;
  void operator()(int64_t v) const { key += cat("i", v); }
  void operator()(float v) const { key += "f", append_bytes(key, &v, sizeof v); }
  void operator()(const std::string& v) const { key += cat("s", v.size(), ":", v); }
  void operator()(const std::vector<int64_t>& v) const {
    key += cat("I", v.size(), ":");
    append_bytes(key, v.data(), v.size() * sizeof v[0]);
  }
  void operator()(const std::vector<float>& v) const {
    key += cat("F", v.size(), ":");
    append_bytes(key, v.data(), v.size() * sizeof v[0]);
  }
  void operator()(const Tensor& v) const { key += "T", append_tensor(key, v); }
};

std::string key_of(const Node& node) {
  std::string key = node.op;
  for (ValueId v : node.inputs) key += cat(" ", static_cast<uint32_t>(v));
  key += cat(" -> ", node.outputs.size());
  for (const auto& [name, value] : node.attrs) {
    key += cat(" ", name, "=");
    std::visit(AppendAttr{key}, value);
  }
  return key;
}

int merge_constants(Graph& g) {
  std::unordered_map<std::string, ValueId> seen;
  int merged = 0;
  for (size_t i = 0; i < g.value_capacity(); ++i) {
    ValueId id{static_cast<uint32_t>(i)};
    const Tensor* t = g.constant(id);
    if (!t || t->empty() || g[id].uses.empty() || g.is_output(id)) continue;
    std::string key;
    append_tensor(key, *t);
    auto [found, fresh] = seen.emplace(std::move(key), id);
    if (fresh) continue;
    g.replace_uses(id, found->second);
    ++merged;
  }
  return merged;
}

Result<int> run(Graph& g, const OpTable&) {
  int merged = merge_constants(g);
  std::unordered_map<std::string, NodeId> seen;
  for (NodeId id : g.order()) {
    auto [found, fresh] = seen.emplace(key_of(g[id]), id);
    if (fresh) continue;
    const Node &node = g[id], &first = g[found->second];
    bool named = false;  // outputs of the graph keep their own names, hence their own nodes
    for (ValueId v : node.outputs) named |= g.is_output(v);
    if (named) continue;
    for (size_t i = 0; i < node.outputs.size(); ++i) g.replace_uses(node.outputs[i], first.outputs[i]);
    ++merged;
  }
  g.erase_dead();
  return merged;
}

}  // namespace

const Pass kMergeIdentical{"merge_identical", "equal nodes and constants => one", run};

}  // namespace quadlane
