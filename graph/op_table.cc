#include "graph/op_table.h"

#include <algorithm>

#include "graph/folding.h"
#include "graph/tail.h"

namespace quadlane {

OpTable::OpTable(std::vector<OpDef> defs) : defs_(std::move(defs)) {
  std::sort(defs_.begin(), defs_.end(), [](const OpDef& a, const OpDef& b) { return a.name < b.name; });
}

const OpDef* OpTable::find(std::string_view op) const {
  auto it =
      std::lower_bound(defs_.begin(), defs_.end(), op, [](const OpDef& d, std::string_view n) { return d.name < n; });
  return it != defs_.end() && it->name == op ? &*it : nullptr;
}

namespace {

std::string where(const Node& node) { return cat("node '", node.name, "' (", node.op, ")"); }

bool lists(std::string_view words, std::string_view word) {
  if (word.empty()) return false;
  for (size_t at = 0; (at = words.find(word, at)) != words.npos; at += word.size())
    if ((at == 0 || words[at - 1] == ' ') && (at + word.size() == words.size() || words[at + word.size()] == ' '))
      return true;
  return false;
}

Status check_signature(const Node& node, const OpDef& def) {
  int inputs = static_cast<int>(node.inputs.size());
  if (inputs < def.min_inputs || (def.max_inputs >= 0 && inputs > def.max_inputs))
    return invalid_model("has ", inputs, " inputs, expected ", def.min_inputs,
                         def.max_inputs < 0 ? " or more" : cat(" to ", def.max_inputs));
  for (int i = 0; i < def.min_inputs; ++i)
    if (node.inputs[static_cast<size_t>(i)] == kNoValue) return invalid_model("required input ", i, " is absent");
  for (const auto& [name, value] : node.attrs)
    if (!lists(def.attributes, name))
      return unsupported("attribute '", name, "' is not supported, known are: ", def.attributes);
  return {};
}

// Views of a node's inputs: types always, data for those in `known`.
std::vector<View> views_of(const Graph& graph, const Node& node) {
  std::vector<View> views(node.inputs.size());
  for (size_t i = 0; i < views.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const Value& value = graph.at(node.inputs[i]);
    views[i] = {&value.type, value.constant ? value.constant->data() : nullptr};
  }
  return views;
}

// Pays for what inference computes, or takes the values away from it.
void afford(const Node& node, std::vector<View>& views, double& work) {
  std::vector<TensorType> types;
  for (const View& view : views)
    if (view.type) types.push_back(*view.type);
  const double needed = inference_work(node, types);
  if (needed <= work) {
    work -= needed;
    return;
  }
  for (View& view : views) view.data = nullptr;
}

}  // namespace

Result<std::vector<TensorType>> infer_types(const Graph& graph, const Node& node, const OpTable& ops) {
  double work = kInferenceWork;
  return infer_types(graph, node, ops, work);
}

Result<std::vector<TensorType>> infer_types(const Graph& graph, const Node& node, const OpTable& ops, double& work) {
  const OpDef* def = ops.find(node.op);
  if (!def)
    return std::move(Result<int>(unsupported("operator '", node.op, "' is not supported")))
        .context(where(node))
        .error();
  if (Status s = check_signature(node, *def); !s.ok()) return std::move(s).context(where(node)).error();
  std::vector<View> views = views_of(graph, node);
  afford(node, views, work);
  auto types = def->infer({node, views}).context(where(node));
  if (!types.ok()) return types;
  for (const TensorType& type : *types)
    if (auto count = element_count(type.shape); !count.ok()) return std::move(count).context(where(node)).error();
  return types;
}

Result<ValueId> add_op(Graph& graph, const OpTable& ops, Node node, std::string output_name) {
  QL_TRY(auto types, infer_types(graph, node, ops));
  NodeId id =
      graph.add_node(std::move(node), types, std::span<const std::string>(&output_name, output_name.empty() ? 0 : 1));
  return graph.at(id).output();
}

Result<std::vector<Tensor>> eval_node(const Graph& graph, const Node& node, const OpTable& ops,
                                      std::span<const Tensor* const> inputs) {
  const OpDef* def = ops.find(node.op);
  if (!def) return unsupported(where(node), ": operator is not supported");
  std::vector<View> views(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i]) views[i] = inputs[i]->view();
  std::vector<Tensor> outputs;
  std::vector<MutView> out_views;
  for (ValueId out : node.outputs) {
    QL_TRY(Tensor tensor, Tensor::allocate(graph.at(out).type));
    outputs.push_back(std::move(tensor));
  }
  for (Tensor& tensor : outputs) out_views.push_back(tensor.mut_view());
  if (Status s = def->eval({node, views}, out_views); !s.ok()) return std::move(s).context(where(node)).error();
  return outputs;
}

Result<std::vector<Tensor>> interpret(const Graph& graph, const OpTable& ops, std::span<const Tensor> inputs,
                                      const std::function<void(ValueId, const Tensor&)>& observe) {
  if (inputs.size() != graph.inputs().size())
    return invalid_argument("the graph has ", graph.inputs().size(), " inputs, ", inputs.size(), " given");
  std::vector<Tensor> values(graph.value_capacity());
  std::vector<size_t> uses_left(graph.value_capacity());
  auto slot = [&](ValueId id) -> Tensor& { return values[static_cast<uint32_t>(id)]; };
  for (size_t i = 0; i < inputs.size(); ++i) {
    ValueId id = graph.inputs()[i];
    if (inputs[i].type() != graph.at(id).type)
      return invalid_argument("input '", graph.at(id).name, "' is ", to_string(inputs[i].type()), ", expected ",
                              to_string(graph.at(id).type));
    slot(id) = inputs[i];
    if (observe) observe(id, inputs[i]);
  }
  for (size_t i = 0; i < values.size(); ++i) uses_left[i] = graph.at(ValueId(i)).uses.size();
  for (NodeId id : graph.order()) {
    const Node& node = graph.at(id);
    std::vector<const Tensor*> in;
    for (ValueId v : node.inputs) {
      if (v == kNoValue)
        in.push_back(nullptr);
      else
        in.push_back(graph.constant(v) ? graph.constant(v) : &slot(v));
    }
    QL_TRY(auto out, eval_node(graph, node, ops, in));
    for (size_t i = 0; i < out.size(); ++i) {
      if (observe) observe(node.outputs[i], out[i]);
      slot(node.outputs[i]) = std::move(out[i]);
    }
    for (ValueId v : node.inputs)  // frees what nobody reads any more
      if (v != kNoValue && --uses_left[static_cast<uint32_t>(v)] == 0 && !graph.is_output(v)) slot(v) = Tensor();
  }
  std::vector<Tensor> outputs;
  for (ValueId id : graph.outputs()) outputs.push_back(graph.constant(id) ? *graph.constant(id) : slot(id));
  if (!graph.tail) return outputs;
  std::vector<View> views;
  for (const Tensor& tensor : outputs) views.push_back(tensor.view());
  QL_TRY(std::vector<Tensor> results, graph.tail->run(views));
  for (size_t i = 0; i < results.size(); ++i)
    if (auto passed = graph.tail->outputs()[i].graph_output) results[i] = outputs[*passed];
  return results;
}

}  // namespace quadlane
