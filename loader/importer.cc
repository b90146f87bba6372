#include "loader/importer.h"

#include <algorithm>
#include <cctype>

#include "loader/attribute.h"
#include "loader/node_order.h"
#include "loader/versions.h"

namespace quadlane {
namespace {

bool is_standard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

class Importer {
 public:
  Importer(const onnx::ModelProto& model, const OpTable& ops, const LoadOptions& options, const std::string& directory)
      : model_(model),
        proto_(model.graph()),
        options_(options),
        emit_(graph_, ops, {options.max_folded_elements, options.max_folded_bytes}, options.widen_half),
        tensors_{directory, options.widen_half, options.max_constant_bytes} {}

  Result<Graph> run() {
    QL_CHECK_OK(read_opset());
    QL_CHECK_OK(check_graph());
    collect_names();
    QL_CHECK_OK(add_initializers());
    QL_CHECK_OK(add_inputs());
    QL_TRY(std::vector<int> order, node_order(proto_, given_));
    for (int index : order) QL_CHECK_OK(add_node(index));
    QL_CHECK_OK(set_outputs());
    return std::move(graph_);
  }

 private:
  Status read_opset();
  Status check_graph() const;
  void collect_names();
  Status add_initializers();
  Status add_inputs();
  Status bind_symbols();
  Result<TensorType> input_type(const onnx::ValueInfoProto&) const;
  Result<Shape> input_shape(const onnx::ValueInfoProto&) const;
  Status add_node(int index);
  int64_t domain_version(const std::string& domain) const;
  Result<const OpHistory*> history_of(const onnx::NodeProto&, const std::string& label) const;
  Result<Draft> draft_of(const onnx::NodeProto&, int index, const OpHistory&);
  Status set_outputs();
  std::string node_name(const onnx::NodeProto&, int index);

  const onnx::ModelProto& model_;
  const onnx::GraphProto& proto_;
  const LoadOptions& options_;
  Graph graph_;
  Emitter emit_;
  TensorReadOptions tensors_;
  int64_t opset_ = 0;
  std::set<std::string> given_;        // inputs and initializers
  std::set<std::string> node_names_;   // in the file, or made up
  std::set<std::string> given_names_;  // of the file's, those some node has already
  std::map<std::string, int64_t> symbols_;
};

Status Importer::read_opset() {
  for (const auto& set : model_.opset_import())
    if (is_standard(set.domain())) opset_ = set.version();
  if (opset_ == 0) return invalid_model("the model names no version of the standard operator set");
  if (opset_ < kOldestOpset || opset_ > kNewestOpset)
    return unsupported("the model uses opset ", opset_, ", supported are ", kOldestOpset, " to ", kNewestOpset);
  return {};
}

Status Importer::check_graph() const {
  if (proto_.node_size() == 0 && proto_.output_size() == 0) return invalid_model("the graph is empty");
  if (proto_.output_size() == 0) return invalid_model("the graph has no outputs");
  if (static_cast<size_t>(proto_.node_size()) > options_.max_nodes)
    return unsupported("the graph has ", proto_.node_size(), " nodes, the limit is ", options_.max_nodes);
  if (proto_.sparse_initializer_size() > 0)
    return unsupported("initializer '", proto_.sparse_initializer(0).values().name(),
                       "' is sparse, sparse tensors are not supported");
  return {};
}

void Importer::collect_names() {
  graph_.name = proto_.name();
  for (const auto& tensor : proto_.initializer()) emit_.reserve_name(tensor.name());
  for (const auto& input : proto_.input()) emit_.reserve_name(input.name());
  for (const auto& node : proto_.node()) {
    for (const std::string& name : node.output()) emit_.reserve_name(name);
    for (const std::string& name : node.input()) emit_.used.insert(name);
    if (!node.name().empty()) node_names_.insert(node.name());
  }
  for (const auto& output : proto_.output()) emit_.used.insert(output.name());
}

Status Importer::add_initializers() {
  for (const auto& proto : proto_.initializer()) {
    if (proto.name().empty()) return invalid_model("an initializer has no name");
    if (!given_.insert(proto.name()).second) return invalid_model("initializer '", proto.name(), "' exists twice");
    if (!emit_.used.count(proto.name())) continue;  // may even be of a type we do not have
    auto tensor = tensor_from_proto(proto, tensors_).context(cat("initializer '", proto.name(), "'"));
    if (!tensor.ok()) return std::move(tensor).error();
    tensors_.max_bytes -= tensor->type().bytes();
    emit_.bind_constant(proto.name(), *std::move(tensor));
  }
  return {};
}

Status Importer::add_inputs() {
  QL_CHECK_OK(bind_symbols());
  std::set<std::string> names;
  for (const auto& input : proto_.input()) {
    if (input.name().empty()) return invalid_model("an input of the graph has no name");
    if (!names.insert(input.name()).second) return invalid_model("input '", input.name(), "' exists twice");
    // Up to IR version 3 initializers are listed as inputs too: they are defaults, which we do not let anyone change.
    if (!given_.insert(input.name()).second) continue;
    auto type = input_type(input).context(cat("input '", input.name(), "'"));
    if (!type.ok()) return std::move(type).error();
    emit_.bind(input.name(), graph_.add_input(input.name(), *type));
  }
  for (const auto& [name, shape] : options_.shapes)
    if (!emit_.find(name) || graph_.constant(*emit_.find(name)))
      return invalid_argument("a shape is given for input '", name, "', which the model does not have");
  return {};
}

// The shape given for one input binds its symbols for all of them.
Status Importer::bind_symbols() {
  for (const auto& input : proto_.input()) {
    auto given = options_.shapes.find(input.name());
    const auto& dims = input.type().tensor_type().shape().dim();
    if (given == options_.shapes.end() || dims.size() != static_cast<int>(given->second.size())) continue;
    for (int i = 0; i < dims.size(); ++i) {
      if (dims[i].dim_param().empty()) continue;
      int64_t extent = given->second[static_cast<size_t>(i)];
      auto [it, added] = symbols_.emplace(dims[i].dim_param(), extent);
      if (!added && it->second != extent)
        return invalid_argument("input '", input.name(), "': dimension '", dims[i].dim_param(), "' is given as ",
                                extent, " and as ", it->second);
    }
  }
  return {};
}

Result<TensorType> Importer::input_type(const onnx::ValueInfoProto& input) const {
  if (!input.type().has_tensor_type()) return unsupported("is no tensor, only tensors are supported");
  QL_TRY(DType dtype, dtype_from_onnx(input.type().tensor_type().elem_type(), options_.widen_half));
  QL_TRY(Shape shape, input_shape(input));
  QL_TRY(int64_t count, element_count(shape));
  (void)count;
  return TensorType{dtype, std::move(shape)};
}

// Names exporters give the outermost dimension.
bool names_batch(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name == "n" || name == "b" || name == "bs" || name.find("batch") != name.npos;
}

Result<Shape> Importer::input_shape(const onnx::ValueInfoProto& input) const {
  const auto& type = input.type().tensor_type();
  auto given = options_.shapes.find(input.name());
  if (given != options_.shapes.end()) {
    if (type.has_shape() && type.shape().dim_size() != static_cast<int>(given->second.size()))
      return invalid_argument("the given shape ", to_string(given->second), " has rank ", given->second.size(),
                              ", the model's has ", type.shape().dim_size());
    return given->second;
  }
  if (!type.has_shape()) return unsupported("has no shape, give one for it");
  Shape shape;
  for (int i = 0; i < type.shape().dim_size(); ++i) {
    const auto& dim = type.shape().dim(i);
    if (dim.has_dim_value()) {
      if (dim.dim_value() < 0) return invalid_model("dimension ", i, " is ", dim.dim_value());
      shape.push_back(dim.dim_value());
    } else if (auto bound = symbols_.find(dim.dim_param()); bound != symbols_.end()) {
      shape.push_back(bound->second);
    } else if (i == 0 || names_batch(dim.dim_param())) {
      shape.push_back(1);
    } else {
      return unsupported("dimension ", i, dim.dim_param().empty() ? "" : cat(" '", dim.dim_param(), "'"),
                         " is not fixed, give a shape for it");
    }
  }
  return shape;
}

// The file's name, or the operator and the node's number; a number is added where that is taken.
std::string Importer::node_name(const onnx::NodeProto& proto, int index) {
  bool first_of_its_name = !proto.name().empty() && given_names_.insert(proto.name()).second;
  if (first_of_its_name) return proto.name();
  std::string base = proto.name().empty() ? cat(proto.op_type(), "_", index) : proto.name(), name = base;
  for (int i = 1; !node_names_.insert(name).second; ++i) name = cat(base, "_", i);
  return name;
}

int64_t Importer::domain_version(const std::string& domain) const {
  if (is_standard(domain)) return opset_;
  for (const auto& set : model_.opset_import())
    if (set.domain() == domain) return set.version();
  return 0;
}

Result<const OpHistory*> Importer::history_of(const onnx::NodeProto& proto, const std::string& label) const {
  std::string domain = is_standard(proto.domain()) ? "ai.onnx" : proto.domain();
  std::string known_as = domain == "ai.onnx" ? proto.op_type() : cat(domain, ".", proto.op_type());
  int64_t version = domain_version(proto.domain());
  std::string where = cat(label, ": operator '", proto.op_type(), "'");
  const OpHistory* history = find_history(known_as);
  if (!history)
    return unsupported(where, " of domain '", domain, "' (", domain == "ai.onnx" ? "opset " : "version ", version,
                       ") is not supported");
  if (history->version(version) == 0)
    return invalid_model(where, " does not exist in opset ", version, " of domain '", domain,
                         "', the oldest form known is ", history->changes[0].since);
  return history;
}

Result<Draft> Importer::draft_of(const onnx::NodeProto& proto, int index, const OpHistory& history) {
  Draft draft;
  draft.version = history.version(domain_version(proto.domain()));
  draft.node.name = node_name(proto, index);
  draft.node.op = proto.op_type();
  for (const auto& attribute : proto.attribute()) {
    if (draft.node.attrs.has(attribute.name())) return invalid_model("attribute '", attribute.name(), "' exists twice");
    auto value = attr_from_proto(attribute, tensors_).context(cat("attribute '", attribute.name(), "'"));
    if (!value.ok()) return std::move(value).error();
    draft.node.attrs.set(attribute.name(), *std::move(value));
  }
  for (const std::string& name : proto.input()) {
    const ValueId* value = name.empty() ? nullptr : emit_.find(name);
    if (!name.empty() && !value) return invalid_model("input '", name, "' has no value");
    draft.node.inputs.push_back(value ? *value : kNoValue);
  }
  while (!draft.node.inputs.empty() && draft.node.inputs.back() == kNoValue) draft.node.inputs.pop_back();
  if (draft.node.op != "Constant" && draft.node.input(0) == kNoValue)
    return invalid_model("required input 0 is absent");
  draft.outputs.assign(proto.output().begin(), proto.output().end());
  return draft;
}

Status Importer::add_node(int index) {
  const onnx::NodeProto& proto = proto_.node(index);
  std::string label = node_label(proto_, index);
  QL_TRY(const OpHistory* history, history_of(proto, label));
  auto made = draft_of(proto, index, *history).context(label);
  if (!made.ok()) return std::move(made).error();
  Draft draft = *std::move(made);
  if (history->upgrade) QL_CHECK_OK(history->upgrade(draft, emit_).context(label));
  if (draft.finished) return {};
  QL_TRY(std::vector<ValueId> values, emit_.emit(draft.node, draft.outputs));
  for (size_t i = 0; i < draft.outputs.size(); ++i) {
    const std::string& name = draft.outputs[i];
    if (i < values.size()) {
      if (!name.empty()) emit_.bind(name, values[i]);
    } else if (!name.empty() && emit_.used.count(name)) {
      return unsupported(label, ": output ", i, " '", name, "' is read, only ", values.size(), " are supported");
    }
  }
  return {};
}

Status Importer::set_outputs() {
  std::vector<ValueId> outputs;
  std::set<std::string> names;
  for (const auto& output : proto_.output()) {
    const ValueId* value = emit_.find(output.name());
    if (!value) return invalid_model("output '", output.name(), "' is not produced by anything");
    if (!names.insert(output.name()).second) return invalid_model("output '", output.name(), "' exists twice");
    outputs.push_back(*value);
  }
  graph_.set_outputs(std::move(outputs));
  graph_.erase_dead();
  return {};
}

}  // namespace

Result<Graph> import_model(const onnx::ModelProto& model, const OpTable& ops, const LoadOptions& options,
                           const std::string& directory) {
  return Importer(model, ops, options, directory).run();
}

}  // namespace quadlane
