#include "loader/importer.h"

#include "loader/four_bits.h"
#include "loader/longest_text.h"
#include "loader/node_importer.h"
#include "loader/onnx_tail.h"

namespace quadlane {
namespace {

class Importer {
 public:
  Importer(const onnx::ModelProto& model, std::span<const InputSpec> inputs, const OpTable& ops,
           const LoadOptions& options, const std::string& directory)
      : model_(model),
        proto_(model.graph()),
        inputs_(inputs),
        options_(options),
        directory_(directory),
        emit_(graph_, ops, {options.max_folded_elements, options.max_folded_bytes, options.max_folded_work}, options),
        tensors_{directory, options.widen_half, options.max_constant_bytes, options.max_shape} {}

  Result<Graph> run() {
    QL_TRY(opsets_, read_opsets(model_.opset_import(), "the model"));
    QL_CHECK_OK(check_graph());
    nodes_.emplace(model_, opsets_, emit_, tensors_, options_);
    collect_names();
    QL_CHECK_OK(add_initializers());
    QL_CHECK_OK(add_inputs());
    QL_CHECK_OK(add_nodes());
    QL_CHECK_OK(set_outputs());
    return std::move(graph_);
  }

 private:
  Status check_graph() const;
  void collect_names();
  Status add_initializers();
  Status add_inputs();
  Status add_nodes();
  Status set_outputs();
  Status expect_declared_type(const onnx::ValueInfoProto& output, const TensorType& computed) const;

  const onnx::ModelProto& model_;
  const onnx::GraphProto& proto_;
  std::span<const InputSpec> inputs_;
  const LoadOptions& options_;
  const std::string& directory_;
  Graph graph_;
  Emitter emit_;
  TensorReadOptions tensors_;
  Opsets opsets_;
  std::optional<NodeImporter> nodes_;
  std::vector<int> tail_;        // nodes left to the tail, in order
  std::set<std::string> given_;  // inputs and initializers
};

Status Importer::check_graph() const {
  if (proto_.node_size() == 0 && proto_.output_size() == 0) return invalid_model("the graph is empty");
  if (proto_.output_size() == 0) return invalid_model("the graph has no outputs");
  if (static_cast<size_t>(proto_.node_size()) > options_.max_nodes)
    return unsupported("the graph has ", proto_.node_size(), " nodes, the limit is ", options_.max_nodes);
  if (proto_.sparse_initializer_size() > 0)
    return unsupported("initializer '", proto_.sparse_initializer(0).values().name(),
                       "' is sparse, sparse tensors are not supported");
  if (const size_t bytes = longest_text(model_); bytes > options_.max_string_bytes)
    return unsupported("a name or text has ", bytes, " bytes, the limit is ", options_.max_string_bytes);
  return {};
}

void Importer::collect_names() {
  graph_.name = proto_.name();
  for (const auto& tensor : proto_.initializer()) emit_.reserve_name(tensor.name());
  for (const auto& input : proto_.input()) emit_.reserve_name(input.name());
  for (const auto& node : proto_.node()) {
    for (const std::string& name : node.output()) emit_.reserve_name(name);
    emit_.scope().used.merge(names_read(node));
    if (!node.name().empty()) nodes_->reserve_node_name(node.name());
  }
  for (const auto& output : proto_.output()) emit_.scope().used.insert(output.name());
}

Status Importer::add_initializers() {
  for (const auto& proto : proto_.initializer()) {
    if (proto.name().empty()) return invalid_model("an initializer has no name");
    if (!given_.insert(proto.name()).second) return invalid_model("initializer '", proto.name(), "' exists twice");
    if (!emit_.is_used(proto.name())) continue;  // may even be of a type we do not have
    auto tensor = tensor_from_proto(proto, tensors_).context(cat("initializer '", proto.name(), "'"));
    if (!tensor.ok()) return std::move(tensor).error();
    tensors_.max_bytes -= tensor->type().bytes();
    emit_.bind_constant(proto.name(), *std::move(tensor), is_four_bits(proto.data_type()));
  }
  return {};
}

Status Importer::add_inputs() {
  QL_TRY(std::vector<Shape> shapes, bind_shapes(inputs_, {options_.shapes, options_.symbols, options_.batch}));
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const InputSpec& input = inputs_[i];
    given_.insert(input.name);
    auto count = element_count(shapes[i], options_.max_shape).context(cat("input '", input.name, "'"));
    if (!count.ok()) return std::move(count).error();
    emit_.bind(input.name, graph_.add_input(input.name, {input.dtype, shapes[i]}));
  }
  return {};
}

// A node that depends on data goes to the tail with everything behind it.
Status Importer::add_nodes() {
  std::vector<std::string> wanted;
  for (const auto& output : proto_.output()) wanted.push_back(output.name());
  QL_TRY(std::vector<int> order, node_order(proto_.node(), wanted, given_,
                                            [this](const std::string& name) { return given_.count(name) != 0; }));
  for (int index : order) {
    Status status = nodes_->add(proto_.node(), index);
    if (!status.ok() && status.error().code != Code::needs_value) return status;
    if (status.ok()) continue;
    tail_.push_back(index);
    for (const std::string& name : proto_.node(index).output())
      if (!name.empty()) emit_.bind(name, Binding{kNoValue, nullptr, true});
  }
  return {};
}

Status Importer::expect_declared_type(const onnx::ValueInfoProto& output, const TensorType& computed) const {
  if (!output.type().has_tensor_type() || output.type().tensor_type().elem_type() == onnx::TensorProto::UNDEFINED)
    return {};
  auto dtype = dtype_from_onnx(output.type().tensor_type().elem_type(), options_.widen_half);
  if (!dtype.ok()) return std::move(dtype).context(cat("output '", output.name(), "'")).error();
  if (*dtype != computed.dtype)
    return invalid_model("output '", output.name(), "' is ", to_string(computed), ", the file declares ",
                         to_string(*dtype));
  return {};
}

Status Importer::set_outputs() {
  std::vector<ValueId> outputs;
  std::vector<Tail::Output> all;
  std::set<std::string> names;
  for (const auto& output : proto_.output()) {
    const Binding* found = emit_.scope().find(output.name());
    if (!found) return invalid_model("output '", output.name(), "' is not produced by anything");
    if (!names.insert(output.name()).second) return invalid_model("output '", output.name(), "' exists twice");
    const bool undeclared = output.type().value_case() == onnx::TypeProto::VALUE_NOT_SET;
    if (found->sequence || (found->later && !undeclared && !output.type().has_tensor_type()))
      return unsupported("output '", output.name(), "' is no tensor, only tensors are supported");
    if (found->four_bits) return unsupported("output '", output.name(), "' has 4-bit elements");
    Tail::Output entry{output.name(), DType::f32, std::nullopt};
    if (found->later && !undeclared) {
      auto dtype = dtype_from_onnx(output.type().tensor_type().elem_type(), options_.widen_half);
      if (!dtype.ok()) return std::move(dtype).context(cat("output '", output.name(), "'")).error();
      entry.dtype = *dtype;
    } else if (!found->later) {
      QL_CHECK_OK(expect_declared_type(output, emit_.type(found->value)));
      entry.dtype = emit_.type(found->value).dtype;
      entry.graph_output = outputs.size();
      outputs.push_back(found->value);
    }
    all.push_back(std::move(entry));
  }
  if (!tail_.empty()) {
    QL_TRY(graph_.tail, make_tail({model_, tail_, std::move(all), opsets_, options_, directory_}, emit_, outputs));
  }
  graph_.set_outputs(std::move(outputs));
  graph_.erase_dead();
  return {};
}

}  // namespace

Result<Graph> import_model(const onnx::ModelProto& model, std::span<const InputSpec> inputs, const OpTable& ops,
                           const LoadOptions& options, const std::string& directory) {
  return Importer(model, inputs, ops, options, directory).run();
}

}  // namespace quadlane
