#include "loader/onnx_tail.h"

#include <algorithm>

#include "loader/guard.h"

namespace quadlane {
namespace {

// One tensor a tail node reads from before the tail.
struct Source {
  Tensor constant;  // empty: the graph's output
  std::optional<size_t> graph_output;
};

// A name the tail reads: a tensor, or a sequence of them.
struct Capture {
  std::string name;
  bool is_sequence = false, four_bits = false;
  std::vector<Source> tensors;
};

class OnnxTail final : public Tail {
 public:
  OnnxTail(TailSource source, std::vector<std::string> labels, std::vector<Capture> captures, const OpTable& ops)
      : Tail(std::move(source.outputs), std::move(labels)),
        opsets_(source.opsets),
        captures_(std::move(captures)),
        ops_(ops),
        options_(source.options),
        directory_(source.directory) {
    *model_.mutable_functions() = source.model.functions();
    for (int index : source.nodes) {
      *model_.mutable_graph()->add_node() = source.model.graph().node(index);
      const onnx::NodeProto& node = *model_.graph().node().rbegin();
      used_.merge(names_read(node));
    }
    for (const Output& output : outputs()) used_.insert(output.name);
    options_.deadline.reset();
  }

  Result<std::vector<Tensor>> run(std::span<const View> graph_outputs, const HeavyNodes& heavy) const override {
    return guarded([&] { return evaluate(graph_outputs, heavy); });
  }

  const onnx::ModelProto& model() const { return model_; }
  const Opsets& opsets() const { return opsets_; }
  const std::vector<Capture>& captures() const { return captures_; }

 private:
  Result<Tensor> load(const Source& source, std::span<const View> graph_outputs) const {
    if (!source.graph_output) return source.constant;
    const View& view = graph_outputs[*source.graph_output];
    QL_TRY(Tensor copy, Tensor::allocate(*view.type));
    std::copy_n(static_cast<const std::byte*>(view.data), view.type->bytes(),
                static_cast<std::byte*>(copy.mutable_data()));
    return copy;
  }

  Status bind(Emitter& emit, const Capture& capture, std::span<const View> graph_outputs) const {
    std::vector<ValueId> values;
    for (const Source& source : capture.tensors) {
      QL_TRY(Tensor tensor, load(source, graph_outputs));
      values.push_back(emit.add_constant(capture.name, std::move(tensor)));
    }
    Binding binding;
    if (capture.is_sequence)
      binding.sequence = std::make_shared<const std::vector<ValueId>>(std::move(values));
    else
      binding.value = values[0];
    binding.four_bits = capture.four_bits;
    emit.bind(capture.name, std::move(binding));
    return {};
  }

  Result<std::vector<Tensor>> evaluate(std::span<const View> graph_outputs, const HeavyNodes& heavy) const {
    Graph graph;
    // What it makes lives until the run ends, and is a network's work rather than a constant's.
    constexpr int kShare = 8;
    Emitter emit(graph, ops_,
                 {kShare * options_.max_folded_elements, kShare * options_.max_folded_bytes, kUnlimitedWork}, options_,
                 Emitter::Folding::all, heavy);
    emit.scope().used = used_;
    for (const Capture& capture : captures_) QL_CHECK_OK(bind(emit, capture, graph_outputs));
    TensorReadOptions tensors{directory_, options_.widen_half, options_.max_constant_bytes, options_.max_shape};
    NodeImporter nodes(model_, opsets_, emit, tensors, options_);
    for (int i = 0; i < model_.graph().node_size(); ++i) QL_CHECK_OK(nodes.add(model_.graph().node(), i));
    std::vector<Tensor> results;
    for (const Output& output : outputs()) {
      results.emplace_back();
      if (output.graph_output) continue;
      const ValueId* value = emit.find(output.name);
      const Tensor* tensor = value ? emit.constant(*value) : nullptr;
      if (!tensor) return unsupported("output '", output.name, "' is no tensor, only tensors are supported");
      if (tensor->dtype() != output.dtype)
        return invalid_model("output '", output.name, "' is ", to_string(tensor->type()), ", the file declares ",
                             to_string(output.dtype));
      results.back() = *tensor;
    }
    return results;
  }

  onnx::ModelProto model_;  // the tail's nodes and the functions
  Opsets opsets_;
  std::set<std::string> used_;
  std::vector<Capture> captures_;
  const OpTable& ops_;
  LoadOptions options_;
  std::string directory_;
};

Source source_of(const Emitter& emit, ValueId value, std::vector<ValueId>& graph_outputs) {
  if (const Tensor* constant = emit.constant(value)) return {*constant, std::nullopt};
  auto at = std::find(graph_outputs.begin(), graph_outputs.end(), value);
  if (at == graph_outputs.end()) at = graph_outputs.insert(at, value);
  return {Tensor(), static_cast<size_t>(at - graph_outputs.begin())};
}

}  // namespace

Result<std::shared_ptr<const Tail>> make_tail(TailSource source, const Emitter& emit,
                                              std::vector<ValueId>& graph_outputs) {
  const NodeList& nodes = source.model.graph().node();
  std::vector<std::string> labels;
  std::vector<Capture> captures;
  std::set<std::string> seen;
  for (int index : source.nodes) {
    labels.push_back(node_label(nodes, index));
    for (const std::string& name : names_read(nodes[index])) {
      const Binding* found = emit.scope().find(name);
      if (!found || found->later || !seen.insert(name).second) continue;
      Capture capture{name, found->sequence != nullptr, found->four_bits, {}};
      if (found->sequence)
        for (ValueId value : *found->sequence) capture.tensors.push_back(source_of(emit, value, graph_outputs));
      else
        capture.tensors.push_back(source_of(emit, found->value, graph_outputs));
      captures.push_back(std::move(capture));
    }
  }
  return std::shared_ptr<const Tail>(
      std::make_shared<OnnxTail>(std::move(source), std::move(labels), std::move(captures), emit.ops()));
}

namespace {

constexpr int64_t kListsAreInputs = 13;  // and Softmax goes along one axis

// The attribute that became input 1 in opset 13, or null.
const char* list_attribute(const onnx::NodeProto& node) {
  for (const char* op : {"Squeeze", "Unsqueeze", "ReduceSum"})
    if (node.op_type() == op) return "axes";
  return node.op_type() == "Split" ? "split" : nullptr;
}

// What is known to have two axes.
std::set<std::string> matrices(const NodeList& nodes) {
  std::set<std::string> names;
  for (const auto& node : nodes)
    if (node.op_type() == "Gemm" || node.op_type() == "Flatten") names.insert(node.output(0));
  return names;
}

// Softmax of old took the axes from `axis` on as one: the same along the last one.
bool is_softmax_of_rows(const onnx::NodeProto& node, const std::set<std::string>& two_axes) {
  if (node.op_type() != "Softmax" && node.op_type() != "LogSoftmax") return false;
  for (const auto& attribute : node.attribute())
    if (attribute.name() == "axis") return attribute.i() == -1 || (attribute.i() == 1 && two_axes.count(node.input(0)));
  return false;
}

// Whether a node can be written in another opset, its subgraphs included: it means the same there, but for a list that
// moves.
bool means_the_same(const onnx::NodeProto& node, int64_t from, int64_t to, const std::set<std::string>& two_axes) {
  if (node.domain().empty() || node.domain() == "ai.onnx") {
    const OpHistory* history = find_history(node.op_type());
    if (!history) return false;
    const bool moves =
        list_attribute(node) && from < kListsAreInputs && to >= kListsAreInputs && node.input_size() == 1;
    const bool rows = from < kListsAreInputs && is_softmax_of_rows(node, two_axes);
    if (!history->reads_the_same(moves || rows ? kListsAreInputs : from, to)) return false;
  }
  for (const auto& attribute : node.attribute())
    for (const auto& inner : attribute.g().node())
      if (!means_the_same(inner, from, to, two_axes)) return false;
  return true;
}

// Moves such lists to initializers of the main graph, which subgraphs see too.
void move_lists(onnx::NodeProto& node, const std::function<bool(const std::string&)>& is_taken, int& made,
                onnx::GraphProto& graph) {
  const char* list = list_attribute(node);
  for (int i = 0; i < node.attribute_size(); ++i) {
    if (node.attribute(i).has_g())
      for (onnx::NodeProto& inner : *node.mutable_attribute(i)->mutable_g()->mutable_node())
        move_lists(inner, is_taken, made, graph);
    if (!list || node.attribute(i).name() != list) continue;
    std::string name;
    do name = cat("tail.", list, ".", made++);
    while (is_taken(name));
    const auto& ints = node.attribute(i).ints();
    const std::vector<int64_t> values(ints.begin(), ints.end());
    tensor_to_proto(Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values), name,
                    graph.add_initializer());
    node.add_input(name);
    node.mutable_attribute()->DeleteSubrange(i--, 1);
  }
}

const OnnxTail& as_onnx(const Tail& tail) { return static_cast<const OnnxTail&>(tail); }  // there is no other kind

}  // namespace

Result<int> opset_for_tail(const Tail& tail, int wanted, int oldest, int newest) {
  const OnnxTail& onnx = as_onnx(tail);
  const NodeList& nodes = onnx.model().graph().node();
  const int64_t own = onnx.opsets().at("");
  const std::set<std::string> two_axes = matrices(nodes);
  auto stays = [&](const onnx::NodeProto& node, int64_t to) { return means_the_same(node, own, to, two_axes); };
  std::vector<int64_t> candidates{own, wanted};
  for (int opset = oldest; opset <= newest; ++opset) candidates.push_back(opset);
  for (int64_t opset : candidates)
    if (opset >= oldest && opset <= newest &&
        std::all_of(nodes.begin(), nodes.end(), [&](const auto& n) { return stays(n, opset); }))
      return static_cast<int>(opset);
  for (int i = 0; i < nodes.size(); ++i)
    if (!stays(nodes[i], std::max<int64_t>(own, oldest)))
      return unsupported(node_label(nodes, i), ": is behind shapes that depend on data and written as it was read, ",
                         "in opset ", own, "; the model needs opset ", oldest, ", where it means something else");
  return unsupported("no opset from ", oldest, " to ", newest, " suits the nodes behind shapes that depend on data");
}

Status write_tail(const Tail& tail, int opset, std::span<const std::string> output_names,
                  const std::function<bool(const std::string&)>& is_taken, onnx::ModelProto* file) {
  const OnnxTail& onnx = as_onnx(tail);
  if (onnx.model().functions_size() > 0)
    return unsupported("functions behind shapes that depend on data are not written");
  onnx::GraphProto& graph = *file->mutable_graph();
  for (const auto& [domain, version] : onnx.opsets()) {
    if (domain.empty()) continue;
    auto* set = file->add_opset_import();
    set->set_domain(domain);
    set->set_version(version);
  }
  for (const Capture& capture : onnx.captures()) {
    if (capture.is_sequence) return unsupported("'", capture.name, "' is a sequence, which is not written");
    const Source& source = capture.tensors[0];
    const std::string& written = source.graph_output ? output_names[*source.graph_output] : capture.name;
    if (source.graph_output && written == capture.name) continue;
    if (is_taken(capture.name)) {
      if (!source.graph_output) continue;  // a constant that the graph in front reads too
      return unsupported("name '", capture.name, "' is taken twice");
    }
    if (!source.graph_output) {
      tensor_to_proto(source.constant, capture.name, graph.add_initializer());
      continue;
    }
    auto* identity = graph.add_node();
    identity->set_op_type("Identity");
    identity->add_input(written);
    identity->add_output(capture.name);
  }
  const bool moves = onnx.opsets().at("") < kListsAreInputs && opset >= kListsAreInputs;
  int made = 0;
  for (const onnx::NodeProto& node : onnx.model().graph().node()) {
    onnx::NodeProto& written = *graph.add_node();
    written = node;
    if (moves) move_lists(written, is_taken, made, graph);
  }
  return {};
}

}  // namespace quadlane
