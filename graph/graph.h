// The graph: values and nodes in flat tables, named by typed ids. Operators carry ONNX names and the semantics of one
// canonical opset (21; the loader upgrades older forms); operators in the "ql." namespace are Quadlane's own and are
// documented where they are implemented, in ops/.
//
// A graph changes through its own functions only, so that names and uses are always right. Types are always known:
// every shape is static, symbolic dimensions are bound while loading. What depends on shapes that data decides is no
// part of the graph (tail.h).
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/base/tensor.h"

namespace quadlane {

enum class ValueId : uint32_t {};
enum class NodeId : uint32_t {};
inline constexpr ValueId kNoValue{0xffffffffu};  // an optional input that is absent
inline constexpr NodeId kNoNode{0xffffffffu};

using Attr = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>, Tensor>;

class Attrs {
 public:
  void set(std::string name, Attr value) { values_[std::move(name)] = std::move(value); }
  void erase(const std::string& name) { values_.erase(name); }
  bool has(const std::string& name) const { return values_.count(name) != 0; }
  // Null when absent or of another kind.
  template <class T>
  const T* find(const std::string& name) const {
    auto it = values_.find(name);
    return it == values_.end() ? nullptr : std::get_if<T>(&it->second);
  }
  template <class T>
  T get_or(const std::string& name, T otherwise) const {
    const T* found = find<T>(name);
    return found ? *found : otherwise;
  }
  int64_t int_or(const std::string& name, int64_t otherwise) const { return get_or<int64_t>(name, otherwise); }
  float float_or(const std::string& name, float otherwise) const { return get_or<float>(name, otherwise); }
  std::string string_or(const std::string& name, std::string otherwise) const {
    return get_or<std::string>(name, std::move(otherwise));
  }
  std::vector<int64_t> ints_or(const std::string& name, std::vector<int64_t> otherwise) const {
    return get_or<std::vector<int64_t>>(name, std::move(otherwise));
  }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  bool empty() const { return values_.empty(); }

 private:
  std::map<std::string, Attr> values_;  // sorted: printing and comparing are deterministic
};

struct Node {
  std::string name;
  std::string op;  // "Conv", "ql.Conv", ...
  Attrs attrs;
  std::vector<ValueId> inputs;  // kNoValue for an absent optional one
  std::vector<ValueId> outputs;

  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
  ValueId output() const { return outputs[0]; }
};

struct Use {
  NodeId node;
  uint32_t input;
  bool operator==(const Use&) const = default;
};

struct Value {
  std::string name;  // unique in the graph
  TensorType type;
  NodeId producer = kNoNode;  // kNoNode: a graph input or a constant
  std::vector<Use> uses;      // by live nodes only
  std::optional<Tensor> constant;
};

class Tail;

class Graph {
 public:
  std::string name;
  // Computes the model's outputs from the graph's where some have no static type (tail.h); null: they are the same.
  std::shared_ptr<const Tail> tail;

  ValueId add_input(std::string name, TensorType type);
  ValueId add_constant(std::string name, Tensor value);
  // Adds a node whose outputs have the given types (use ops::infer, or Builder). Names that are taken get a suffix.
  NodeId add_node(Node node, std::span<const TensorType> output_types, std::span<const std::string> output_names = {});
  void set_outputs(std::vector<ValueId> outputs) { outputs_ = std::move(outputs); }

  // Every use of `from`, graph outputs included, becomes a use of `to`. The types must be equal. When `from` is a
  // graph output, `to` takes over its name, so that the graph's interface does not change.
  void replace_uses(ValueId from, ValueId to);
  // Points one input of a node to another value.
  void set_input(NodeId node, size_t input, ValueId to);
  void set_attr(NodeId node, const std::string& name, Attr value) {
    nodes_[static_cast<uint32_t>(node)].node.attrs.set(name, std::move(value));
  }
  // Removes nodes and constants nothing uses; returns how many nodes. Ids stay valid: removed entries are only marked.
  size_t erase_dead();

  const Node& at(NodeId id) const { return nodes_[static_cast<uint32_t>(id)].node; }
  const Value& at(ValueId id) const { return values_[static_cast<uint32_t>(id)]; }
  const Node& operator[](NodeId id) const { return at(id); }
  const Value& operator[](ValueId id) const { return at(id); }
  void rename(ValueId id, std::string name);

  std::span<const ValueId> inputs() const { return inputs_; }
  std::span<const ValueId> outputs() const { return outputs_; }
  bool is_output(ValueId) const;
  // Live nodes, producers before consumers; stable: of two ready nodes the one added first comes first.
  std::vector<NodeId> order() const;
  size_t node_count() const;  // live
  bool is_live(NodeId id) const { return nodes_[static_cast<uint32_t>(id)].alive; }
  size_t node_capacity() const { return nodes_.size(); }    // ids are below this
  size_t value_capacity() const { return values_.size(); }  // ids are below this

  // The constant behind a value, or null.
  const Tensor* constant(ValueId id) const {
    if (id == kNoValue) return nullptr;
    const Value& v = at(id);
    return v.constant ? &*v.constant : nullptr;
  }
  // The node that produces a value, or null.
  const Node* producer(ValueId id) const {
    return id == kNoValue || at(id).producer == kNoNode ? nullptr : &at(at(id).producer);
  }
  // The value of that name, given or computed by a node; nothing where there is none, or a constant.
  std::optional<ValueId> find(const std::string& name) const;
  // The only use of a value that is no graph output, or null.
  const Use* single_use(ValueId id) const {
    return at(id).uses.size() == 1 && !is_output(id) ? &at(id).uses[0] : nullptr;
  }

 private:
  struct NodeEntry {
    Node node;
    bool alive = true;
  };
  ValueId add_value(std::string name, TensorType type);
  void drop_use(ValueId value, Use use);

  std::vector<NodeEntry> nodes_;
  std::vector<Value> values_;
  std::vector<ValueId> inputs_, outputs_;
  std::map<std::string, ValueId> names_;
};

}  // namespace quadlane
