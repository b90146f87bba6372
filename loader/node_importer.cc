#include "loader/node_importer.h"

#include "loader/attribute.h"
#include "loader/four_bits.h"
#include "loader/refused.h"

namespace quadlane {
namespace {

bool is_standard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }
std::string domain_key(const std::string& domain) { return is_standard(domain) ? std::string() : domain; }

std::string function_key(const std::string& domain, const std::string& name) {
  return cat(domain_key(domain), '\n', name);
}

constexpr size_t kLongestName = 100;  // in subgraphs, where a name of the file may be needed once for every round

// 4-bit elements lie in bytes, which is the same for what only reads or moves them; the latter's results have 4 bits
// too. QuantizeLinear narrows to them. ONNX allows hardly more.
Status expect_four_bits(Draft& d) {
  const std::string& op = d.node.op;
  for (const char* reads : {"DequantizeLinear", "Cast", "Shape", "Size"})
    if (op == reads) {
      d.four_bits = false;
      return {};
    }
  for (const char* moves : {"Constant", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"})
    if (op == moves) return {};
  if (op == "QuantizeLinear") return {};
  return unsupported("takes no 4-bit elements");
}

// What a loop, a branch or a call makes is named after its node: names nest, their lengths must not add up, and every
// round needs some.
std::string end_of(const std::string& name) {
  constexpr size_t kLongest = 60;
  return name.size() > kLongest ? name.substr(name.size() - kLongest) : name;
}

}  // namespace

Result<Opsets> read_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& sets, const char* what,
                           Opsets opsets) {
  std::set<std::string> named;
  for (const auto& set : sets) {
    const std::string domain = domain_key(set.domain());
    int64_t& version = opsets[domain];
    if (!named.insert(domain).second && version != set.version())
      return invalid_model(what, " uses versions ", version, " and ", set.version(), " of operator set '",
                           domain.empty() ? "ai.onnx" : domain, "'");
    version = set.version();
  }
  const int64_t opset = opsets[""];
  if (opset == 0) return invalid_model(what, " names no version of the standard operator set");
  if (opset < kOldestOpset || opset > kNewestOpset)
    return unsupported(what, " uses opset ", opset, ", supported are ", kOldestOpset, " to ", kNewestOpset);
  return opsets;
}

NodeImporter::NodeImporter(const onnx::ModelProto& model, Opsets opsets, Emitter& emit, TensorReadOptions& tensors,
                           const LoadOptions& options)
    : opsets_(std::move(opsets)), emit_(emit), tensors_(tensors), options_(options), nodes_left_(options.max_nodes) {
  for (const auto& function : model.functions())
    functions_.emplace(function_key(function.domain(), function.name()), &function);
}

NodeImporter::Handler NodeImporter::special(const std::string& op) {
  static const std::map<std::string, Handler> handlers = {
      {"If", &NodeImporter::add_if},
      {"Loop", &NodeImporter::add_loop},
      {"Scan", &NodeImporter::add_scan},
      {"SequenceConstruct", &NodeImporter::add_sequence_construct},
      {"SequenceEmpty", &NodeImporter::add_sequence_empty},
      {"SequenceAt", &NodeImporter::add_sequence_at},
      {"SequenceLength", &NodeImporter::add_sequence_length},
      {"SequenceInsert", &NodeImporter::add_sequence_insert},
      {"SequenceErase", &NodeImporter::add_sequence_erase},
      {"SplitToSequence", &NodeImporter::add_split_to_sequence},
      {"ConcatFromSequence", &NodeImporter::add_concat_from_sequence},
  };
  auto it = handlers.find(op);
  return it == handlers.end() ? nullptr : it->second;
}

Status NodeImporter::spend(size_t nodes) {
  QL_CHECK_OK(in_time(options_.deadline, "importing"));
  if (nodes > nodes_left_)
    return unsupported("more nodes are needed than the limit allows, every round of a loop counted");
  nodes_left_ -= nodes;
  return {};
}

// The file's name, or the operator and the node's number; a number is added where that is taken.
std::string NodeImporter::node_name(const onnx::NodeProto& proto, int index) {
  const std::string& prefix = emit_.scope().prefix;
  const std::string& own = proto.name();
  if (prefix.empty() && !own.empty() && given_names_.insert(own).second) return own;
  std::string base = own.empty() ? cat(prefix, proto.op_type().substr(0, kLongestName), "_", index)
                                 : cat(prefix, prefix.empty() ? own : own.substr(0, kLongestName));
  if (node_names_.insert(base).second) return base;
  std::string name;
  int& next = next_suffix_.emplace(base, 1).first->second;
  do name = cat(base, "_", next++);
  while (!node_names_.insert(name).second);
  return name;
}

Result<const OpHistory*> NodeImporter::history_of(const onnx::NodeProto& proto) const {
  const std::string key = domain_key(proto.domain()), domain = key.empty() ? "ai.onnx" : key;
  std::string known_as = key.empty() ? proto.op_type() : cat(domain, ".", proto.op_type());
  auto set = opsets_.find(key);
  const int64_t version = set == opsets_.end() ? 0 : set->second;
  const OpHistory* history = find_history(known_as);
  if (!history) {
    std::string_view reason = refusal_of(known_as);
    return unsupported("operator '", proto.op_type(), "' of domain '", domain, "' (",
                       key.empty() ? "opset " : "version ", version, ") is not supported", reason.empty() ? "" : ": ",
                       reason);
  }
  if (history->version(version) == 0)
    return invalid_model("operator '", proto.op_type(), "' does not exist in opset ", version, " of domain '", domain,
                         "', the oldest form known is ", history->changes[0].since);
  return history;
}

const onnx::AttributeProto* NodeImporter::resolve(const onnx::AttributeProto& attribute) const {
  if (attribute.ref_attr_name().empty()) return &attribute;
  auto it = frame_.find(attribute.ref_attr_name());
  return it == frame_.end() ? nullptr : &it->second;
}

Result<const onnx::AttributeProto*> NodeImporter::find_attribute(const onnx::NodeProto& proto,
                                                                 const std::string& name) const {
  const onnx::AttributeProto* found = nullptr;
  for (const auto& attribute : proto.attribute()) {
    if (attribute.name() != name) continue;
    if (found) return invalid_model("attribute '", name, "' exists twice");
    found = &attribute;
  }
  return found ? resolve(*found) : nullptr;
}

Result<int64_t> NodeImporter::int_attribute(const onnx::NodeProto& proto, const std::string& name,
                                            int64_t otherwise) const {
  QL_TRY(const onnx::AttributeProto* found, find_attribute(proto, name));
  if (!found) return otherwise;
  if (!found->has_i()) return invalid_model("attribute '", name, "' is not an integer");
  return found->i();
}

Result<std::vector<int64_t>> NodeImporter::ints_attribute(const onnx::NodeProto& proto, const std::string& name,
                                                          std::vector<int64_t> otherwise) const {
  QL_TRY(const onnx::AttributeProto* found, find_attribute(proto, name));
  if (!found) return otherwise;
  return std::vector<int64_t>(found->ints().begin(), found->ints().end());
}

// A loop must not multiply what the file holds once: tensors inside subgraphs are read once for all rounds, and what
// is made anew every time counts as nodes.
Result<Attr> NodeImporter::attribute_value(const onnx::AttributeProto& attribute, bool lasting) {
  if (emit_.scope().prefix.empty()) return attr_from_proto(attribute, tensors_);
  if (auto it = inner_tensors_.find(&attribute); lasting && it != inner_tensors_.end()) return Attr(it->second);
  QL_TRY(Attr value, attr_from_proto(attribute, tensors_));
  const Tensor* tensor = std::get_if<Tensor>(&value);
  if (tensor && lasting) {
    inner_tensors_[&attribute] = *tensor;
    return value;
  }
  constexpr int64_t kElementsOfANode = 64;
  int64_t elements = int64_t{attribute.ints_size()} + attribute.floats_size() + (tensor ? tensor->count() : 0) +
                     static_cast<int64_t>(attribute.s().size() / sizeof(int64_t));
  QL_CHECK_OK(spend(static_cast<size_t>(elements / kElementsOfANode)));
  return value;
}

Result<Draft> NodeImporter::draft_of(const onnx::NodeProto& proto, const std::string& node_name,
                                     const OpHistory& history) {
  Draft draft;
  draft.version = history.version(opsets_.at(domain_key(proto.domain())));
  draft.node.name = node_name;
  draft.node.op = proto.op_type();
  for (const auto& attribute : proto.attribute()) {
    if (draft.node.attrs.has(attribute.name())) return invalid_model("attribute '", attribute.name(), "' exists twice");
    const onnx::AttributeProto* given = resolve(attribute);
    if (!given && depth_ > 0) continue;  // the caller leaves it to its default
    if (given && given->has_t()) draft.four_bits |= is_four_bits(given->t().data_type());
    auto value = attribute_value(given ? *given : attribute, given == &attribute)
                     .context(cat("attribute '", attribute.name(), "'"));
    if (!value.ok()) return std::move(value).error();
    draft.node.attrs.set(attribute.name(), *std::move(value));
  }
  QL_TRY(Bindings inputs, inputs_of(proto));
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].sequence) return unsupported("input ", i, " is a sequence, a tensor is expected");
    draft.node.inputs.push_back(inputs[i].value);
    draft.four_bits |= inputs[i].four_bits;
  }
  while (!draft.node.inputs.empty() && draft.node.inputs.back() == kNoValue) draft.node.inputs.pop_back();
  if (draft.node.op != "Constant" && draft.node.input(0) == kNoValue)
    return invalid_model("required input 0 is absent");
  draft.outputs.assign(proto.output().begin(), proto.output().end());
  return draft;
}

Result<NodeImporter::Bindings> NodeImporter::inputs_of(const onnx::NodeProto& proto) const {
  Bindings inputs;
  for (const std::string& name : proto.input()) {
    const Binding* found = name.empty() ? nullptr : emit_.scope().find(name);
    if (!name.empty() && !found) return invalid_model("input '", name, "' has no value");
    if (found && found->later) return make_error(Code::needs_value, "input '", name, "' is known at run time only");
    inputs.push_back(found ? *found : Binding{});
  }
  return inputs;
}

Result<ValueId> NodeImporter::tensor_input(const Bindings& inputs, size_t i) const {
  if (i >= inputs.size() || (inputs[i].value == kNoValue && !inputs[i].sequence))
    return invalid_model("required input ", i, " is absent");
  if (inputs[i].sequence) return unsupported("input ", i, " is a sequence, a tensor is expected");
  if (inputs[i].four_bits) return unsupported("input ", i, " has 4-bit elements");
  return inputs[i].value;
}

Result<const Tensor*> NodeImporter::known_input(const Bindings& inputs, size_t i, const char* what) const {
  QL_TRY(ValueId value, tensor_input(inputs, i));
  const Tensor* tensor = emit_.constant(value);
  if (!tensor) return make_error(Code::needs_value, what, " is not a constant");
  return tensor;
}

Result<int64_t> NodeImporter::known_int(const Bindings& inputs, size_t i, const char* what) const {
  QL_TRY(const Tensor* tensor, known_input(inputs, i, what));
  if (tensor->count() != 1 || is_float(tensor->dtype()))
    return invalid_model(what, " is ", to_string(tensor->type()), ", expected one integer or bool");
  return element_as_int(tensor->view(), 0);
}

// The main graph's values are called what the file calls them, so what comes out of a subgraph passes an Identity.
Status NodeImporter::bind_outputs(const onnx::NodeProto& proto, Bindings values) {
  if (static_cast<size_t>(proto.output_size()) > values.size())
    return invalid_model("has ", proto.output_size(), " outputs, ", values.size(), " values are computed for them");
  for (int i = 0; i < proto.output_size(); ++i) {
    const std::string& name = proto.output(i);
    if (name.empty()) continue;
    Binding& value = values[static_cast<size_t>(i)];
    if (emit_.scope().prefix.empty() && value.value != kNoValue) {
      Node identity;
      identity.op = "Identity";
      identity.name = cat(name, ".identity");
      identity.inputs = {value.value};
      QL_TRY(std::vector<ValueId> copies, emit_.emit(std::move(identity), std::span(&name, 1)));
      value.value = copies[0];
    }
    emit_.bind(name, std::move(value));
  }
  return {};
}

Result<ValueId> NodeImporter::emit(const std::string& op, std::vector<ValueId> inputs, Attrs attrs,
                                   const std::string& hint) {
  QL_CHECK_OK(spend(1));
  Node node;
  node.name = hint;
  node.op = op;
  node.attrs = std::move(attrs);
  node.inputs = std::move(inputs);
  return emit_.emit_one(std::move(node), hint);
}

const onnx::FunctionProto* NodeImporter::find_function(const onnx::NodeProto& proto) const {
  if (functions_.empty()) return nullptr;
  auto it = functions_.find(function_key(proto.domain(), proto.op_type()));
  return it == functions_.end() ? nullptr : it->second;
}

Status NodeImporter::add(const NodeList& nodes, int index) {
  const onnx::NodeProto& proto = nodes[index];
  auto import = [&]() -> Status {
    if (depth_ == 0) QL_CHECK_OK(spend(1));  // otherwise run_nodes paid
    std::string name = node_name(proto, index);
    if (const onnx::FunctionProto* function = find_function(proto)) return add_call(proto, *function, end_of(name));
    QL_TRY(const OpHistory* history, history_of(proto));
    if (Handler handler = is_standard(proto.domain()) ? special(proto.op_type()) : nullptr)
      return (this->*handler)(proto, end_of(name));
    if (proto.op_type() == "Identity" && proto.input_size() == 1) {
      const Binding* found = emit_.scope().find(proto.input(0));
      if (found && found->sequence) return bind_outputs(proto, {*found});
    }
    QL_TRY(Draft draft, draft_of(proto, name, *history));
    if (draft.four_bits) QL_CHECK_OK(expect_four_bits(draft));
    if (history->upgrade) QL_CHECK_OK(history->upgrade(draft, emit_));
    if (draft.finished) return {};
    auto values = emit_.emit(draft.node, draft.outputs);
    if (!values.ok()) return std::move(values).error();
    for (size_t i = 0; i < draft.outputs.size(); ++i) {
      const std::string& output = draft.outputs[i];
      if (i < values->size()) {
        if (!output.empty()) emit_.bind(output, Binding{(*values)[i], nullptr, false, draft.four_bits});
      } else if (!output.empty() && emit_.is_used(output)) {
        return unsupported("output ", i, " '", output, "' is read, only ", values->size(), " are supported");
      }
    }
    return {};
  };
  const std::string label = node_label(nodes, index);
  Status status = import();
  // Inference names the node itself.
  if (status.ok() || (!status.error().trail.empty() && status.error().trail.back().rfind("node '", 0) == 0))
    return status;
  return std::move(status).context(label);
}

}  // namespace quadlane
