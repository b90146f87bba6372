#include "graph/store.h"

#include "graph/folding.h"
#include "graph/tail.h"
#include "graph/verify.h"

namespace quadlane {
namespace {

void store(FieldWriter& w, const Tensor& tensor) {
  w.write(tensor.type());
  w.raw(tensor.data(), tensor.empty() ? 0 : tensor.type().bytes());
}

void restore(FieldReader& r, Tensor& tensor) {
  const auto type = r.get<TensorType>();
  if (!r.ok()) return;
  auto count = element_count(type.shape);
  if (!count.ok()) return r.fail(std::move(count).error());
  if (type.bytes() > r.left())
    return r.fail(invalid_model("a tensor of ", type.bytes(), " bytes, ", r.left(), " are left"));
  auto made = Tensor::allocate(type);
  if (!made.ok()) return r.fail(std::move(made).error());
  tensor = *std::move(made);
  r.raw(tensor.mutable_data(), type.bytes());
}

template <size_t Kind = 0>
void restore_attr(FieldReader& r, size_t kind, Attr& attr) {
  if constexpr (Kind < std::variant_size_v<Attr>) {
    if (kind != Kind) return restore_attr<Kind + 1>(r, kind, attr);
    auto& value = attr.emplace<Kind>();
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Tensor>)
      restore(r, value);
    else
      r.read(value);
  } else {
    r.fail(invalid_model("an attribute of kind ", kind));
  }
}

struct Numbers {
  std::vector<uint32_t> of;  // by ValueId
  uint32_t count = 0;
  explicit Numbers(const Graph& graph) : of(graph.value_capacity(), UINT32_MAX) {}
  void give(ValueId id) { of[static_cast<uint32_t>(id)] = count++; }
  uint32_t operator()(ValueId id) const { return id == kNoValue ? UINT32_MAX : of[static_cast<uint32_t>(id)]; }
};

}  // namespace

void store_node(FieldWriter& w, const Node& node) {
  w.write(node.name);
  w.write(node.op);
  w.write(static_cast<uint32_t>(std::distance(node.attrs.begin(), node.attrs.end())));
  for (const auto& [name, attr] : node.attrs) {
    w.write(name);
    w.write(static_cast<uint8_t>(attr.index()));
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Tensor>)
            store(w, value);
          else
            w.write(value);
        },
        attr);
  }
}

void restore_node(FieldReader& r, Node& node) {
  r.read(node.name);
  r.read(node.op);
  const auto attrs = r.get<uint32_t>();
  for (uint32_t i = 0; i < attrs && r.ok(); ++i) {
    auto name = r.get<std::string>();
    Attr attr;
    restore_attr(r, r.get<uint8_t>(), attr);
    node.attrs.set(std::move(name), std::move(attr));
  }
}

static Error tail_error(const Tail& tail) {
  std::string which = tail.nodes().empty() ? "" : cat(" (", tail.nodes().front(), ", ...)");
  for (const Tail::Output& output : tail.outputs())
    if (!output.graph_output)
      return unsupported("the shape of output '", output.name, "' depends on the data", which,
                         "; a plan file holds outputs of known shapes");
  return unsupported("nodes run on shapes that depend on the data", which, "; a plan file holds known shapes");
}

Result<std::vector<std::byte>> store_graph(const Graph& graph) {
  if (graph.tail) return tail_error(*graph.tail);
  FieldWriter w;
  Numbers numbers(graph);
  w.write(graph.name);
  w.write(static_cast<uint32_t>(graph.inputs().size()));
  for (ValueId id : graph.inputs()) {
    numbers.give(id);
    w.write(graph.at(id).name);
    w.write(graph.at(id).type);
  }
  std::vector<ValueId> constants;
  for (uint32_t v = 0; v < graph.value_capacity(); ++v)
    if (const Value& value = graph.at(ValueId{v});
        value.constant && (!value.uses.empty() || graph.is_output(ValueId{v})))
      constants.push_back(ValueId{v});
  w.write(static_cast<uint32_t>(constants.size()));
  for (ValueId id : constants) {
    numbers.give(id);
    w.write(graph.at(id).name);
    store(w, *graph.at(id).constant);
  }
  const std::vector<NodeId> order = graph.order();
  w.write(static_cast<uint32_t>(order.size()));
  for (NodeId id : order) {
    const Node& node = graph.at(id);
    store_node(w, node);
    w.write(static_cast<uint32_t>(node.inputs.size()));
    for (ValueId in : node.inputs) w.write(numbers(in));
    w.write(static_cast<uint32_t>(node.outputs.size()));
    for (ValueId out : node.outputs) {
      numbers.give(out);
      w.write(graph.at(out).name);
      w.write(graph.at(out).type);
    }
  }
  w.write(static_cast<uint32_t>(graph.outputs().size()));
  for (ValueId id : graph.outputs()) w.write(numbers(id));
  return w.bytes();
}

namespace {

class Restorer {
 public:
  Restorer(std::span<const std::byte> bytes, const OpTable& ops) : r_(bytes), ops_(ops) {}

  Result<Graph> run() {
    r_.read(graph_.name);
    for (uint32_t i = 0, n = r_.get<uint32_t>(); i < n && r_.ok(); ++i) input();
    for (uint32_t i = 0, n = r_.get<uint32_t>(); i < n && r_.ok(); ++i) constant();
    for (uint32_t i = 0, n = r_.get<uint32_t>(); i < n && r_.ok(); ++i) QL_CHECK_OK(node());
    std::vector<ValueId> outputs;
    for (uint32_t i = 0, n = r_.get<uint32_t>(); i < n && r_.ok(); ++i) {
      outputs.push_back(value());
      if (outputs.back() == kNoValue) r_.fail(invalid_model("an output that is no value"));
    }
    if (!r_.ok()) return std::move(r_).status().error();
    graph_.set_outputs(std::move(outputs));
    QL_CHECK_OK(verify(graph_, ops_));
    return std::move(graph_);
  }

 private:
  ValueId value() {
    const auto number = r_.get<uint32_t>();
    if (!r_.ok() || number == UINT32_MAX) return kNoValue;
    if (number < values_.size()) return values_[number];
    r_.fail(invalid_model("value ", number, " of ", values_.size()));
    return kNoValue;
  }
  void input() {
    auto name = r_.get<std::string>();
    auto type = r_.get<TensorType>();
    if (!r_.ok()) return;
    if (auto count = element_count(type.shape); !count.ok()) return r_.fail(std::move(count).error());
    values_.push_back(graph_.add_input(std::move(name), std::move(type)));
  }
  void constant() {
    auto name = r_.get<std::string>();
    Tensor tensor;
    restore(r_, tensor);
    if (r_.ok()) values_.push_back(graph_.add_constant(std::move(name), std::move(tensor)));
  }
  Status node() {
    Node node;
    restore_node(r_, node);
    for (uint32_t i = 0, n = r_.get<uint32_t>(); i < n && r_.ok(); ++i) node.inputs.push_back(value());
    std::vector<TensorType> types;
    std::vector<std::string> names;
    for (uint32_t i = 0, n = r_.get<uint32_t>(); i < n && r_.ok(); ++i) {
      names.push_back(r_.get<std::string>());
      types.push_back(r_.get<TensorType>());
    }
    if (!r_.ok()) return std::move(r_).status();
    QL_TRY(auto inferred, infer_types(graph_, node, ops_, work_));
    if (types.size() > inferred.size() || types.empty())
      return invalid_model("node '", node.name, "' has ", types.size(), " outputs, expected ", inferred.size());
    for (size_t i = 0; i < types.size(); ++i)
      if (types[i] != inferred[i])
        return invalid_model("node '", node.name, "' makes ", to_string(inferred[i]), ", the file says ",
                             to_string(types[i]));
    const NodeId id = graph_.add_node(std::move(node), types, names);
    for (ValueId out : graph_.at(id).outputs) values_.push_back(out);
    return {};
  }

  FieldReader r_;
  const OpTable& ops_;
  Graph graph_;
  double work_ = kInferenceWork;
  std::vector<ValueId> values_;
};

}  // namespace

Result<Graph> restore_graph(std::span<const std::byte> bytes, const OpTable& ops) { return Restorer(bytes, ops).run(); }

}  // namespace quadlane
