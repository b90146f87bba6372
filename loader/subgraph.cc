// Subgraphs and functions become part of the graph they are in: a branch whose condition is known, every round of a
// loop, the body of a function. While loading, a condition that is not a constant is Code::needs_value; in the tail
// all are known.
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>

#include "loader/four_bits.h"
#include "loader/guard.h"
#include "loader/node_importer.h"

namespace quadlane {
namespace {

constexpr size_t kNamesOfANode = 16;  // that reading or keeping them costs like a node

std::string scope_prefix(const std::string& node_name, int64_t number) { return cat(node_name, "#", number, "/"); }

std::vector<std::string> output_names(const onnx::GraphProto& body) {
  std::vector<std::string> names;
  for (const auto& output : body.output()) names.push_back(output.name());
  return names;
}

// What importing a node costs, in nodes: many operands, long names and large attributes cost more in every round.
size_t price_of(const onnx::NodeProto& node, size_t names_read) {
  constexpr size_t kBytesOfANode = 1 << 16;
  const auto listed = static_cast<size_t>(node.input_size() + node.output_size() + node.attribute_size());
  return 1 + (listed + names_read) / kNamesOfANode + node.ByteSizeLong() / kBytesOfANode;
}

// Attributes of a function that have defaults: field 11, which the schema we are built with may be too old to name.
// Gives the bytes it read.
Result<size_t> add_defaults(const onnx::FunctionProto& function, std::map<std::string, onnx::AttributeProto>& frame) {
  constexpr int kAttributeProto = 11;
  const auto& unknown = function.GetReflection()->GetUnknownFields(function);
  size_t bytes = static_cast<size_t>(unknown.field_count());
  for (int i = 0; i < unknown.field_count(); ++i) {
    const auto& field = unknown.field(i);
    if (field.number() != kAttributeProto || field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED)
      continue;
    onnx::AttributeProto attribute;
    if (!parse_proto(std::as_bytes(std::span(field.length_delimited())), &attribute))
      return invalid_model("a default attribute of function '", function.name(), "' is unreadable");
    bytes += field.length_delimited().size();
    frame[attribute.name()] = attribute;
  }
  return bytes;
}

}  // namespace

Result<const onnx::GraphProto*> NodeImporter::subgraph(const onnx::NodeProto& proto, const std::string& name) const {
  QL_TRY(const onnx::AttributeProto* found, find_attribute(proto, name));
  if (!found || !found->has_g()) return invalid_model("attribute '", name, "' is missing or no graph");
  return &found->g();
}

// `scope` has the same names in every run: those that the body declares, and those of the graphs around it.
Result<const NodeImporter::Body*> NodeImporter::body_of(const NodeList& nodes, const std::vector<std::string>& wanted,
                                                        const Scope& scope) {
  if (auto it = bodies_.find(&nodes); it != bodies_.end()) return &it->second;
  std::set<std::string> own;
  for (const auto& [name, value] : scope.bound) own.insert(name);
  Body body;
  QL_TRY(body.order, node_order(nodes, wanted, own, [&](const std::string& n) { return scope.find(n); }));
  body.used.insert(wanted.begin(), wanted.end());
  body.price = (own.size() + wanted.size()) / kNamesOfANode;
  for (int index : body.order) {
    std::set<std::string> names = names_read(nodes[index]);
    body.price += price_of(nodes[index], names.size());
    body.used.merge(names);
  }
  return &bodies_.emplace(&nodes, std::move(body)).first->second;
}

Result<NodeImporter::Bindings> NodeImporter::run_nodes(const NodeList& nodes, const std::vector<std::string>& wanted,
                                                       Scope& scope) {
  if (depth_ >= options_.max_subgraph_depth)
    return unsupported("subgraphs and functions nest deeper than ", options_.max_subgraph_depth);
  QL_TRY(const Body* body, body_of(nodes, wanted, scope));
  QL_CHECK_OK(spend(body->price));
  scope.used = body->used;
  Scope* outside = emit_.enter(&scope);
  ++depth_;
  Status status;
  for (size_t i = 0; i < body->order.size() && status.ok(); ++i) status = add(nodes, body->order[i]);
  --depth_;
  emit_.enter(outside);
  if (!status.ok()) return std::move(status).error();
  Bindings results;
  for (const std::string& name : wanted) {
    const Binding* found = scope.find(name);
    if (!found) return invalid_model("output '", name, "' of the subgraph is not produced by anything");
    if (found->later) return make_error(Code::needs_value, "'", name, "' is known at run time only");
    results.push_back(*found);
  }
  return results;
}

Result<NodeImporter::Bindings> NodeImporter::run_body(const onnx::GraphProto& body, Bindings inputs,
                                                      std::string prefix) {
  if (static_cast<size_t>(body.input_size()) != inputs.size())
    return invalid_model("the subgraph has ", body.input_size(), " inputs, ", inputs.size(), " values are given to it");
  if (body.sparse_initializer_size() > 0) return unsupported("the subgraph has sparse tensors");
  Scope scope{&emit_.scope(), std::move(prefix), {}, {}};
  for (int i = 0; i < body.input_size(); ++i)
    scope.bound[body.input(i).name()] = std::move(inputs[static_cast<size_t>(i)]);
  for (const auto& proto : body.initializer()) {
    auto it = inner_tensors_.find(&proto);
    if (it == inner_tensors_.end()) {
      auto tensor = tensor_from_proto(proto, tensors_).context(cat("initializer '", proto.name(), "'"));
      if (!tensor.ok()) return std::move(tensor).error();
      tensors_.max_bytes -= tensor->type().bytes();
      it = inner_tensors_.emplace(&proto, *std::move(tensor)).first;
    }
    QL_CHECK_OK(spend(1));
    scope.bound[proto.name()] =
        Binding{emit_.add_constant(scope.prefix + "w", it->second), nullptr, false, is_four_bits(proto.data_type())};
  }
  return run_nodes(body.node(), output_names(body), scope);
}

Status NodeImporter::add_if(const onnx::NodeProto& proto, const std::string& name) {
  QL_TRY(const onnx::GraphProto* then_branch, subgraph(proto, "then_branch"));
  QL_TRY(const onnx::GraphProto* else_branch, subgraph(proto, "else_branch"));
  QL_TRY(Bindings inputs, inputs_of(proto));
  QL_TRY(int64_t condition, known_int(inputs, 0, "the condition"));
  QL_TRY(Bindings results, run_body(condition ? *then_branch : *else_branch, {}, scope_prefix(name, ++scopes_)));
  return bind_outputs(proto, std::move(results));
}

// Loop(rounds, condition, carried...): body(round, condition, carried...) -> condition, carried..., one for each stack.
Status NodeImporter::add_loop(const onnx::NodeProto& proto, const std::string& name) {
  QL_TRY(const onnx::GraphProto* body, subgraph(proto, "body"));
  QL_TRY(Bindings inputs, inputs_of(proto));
  inputs.resize(std::max<size_t>(inputs.size(), 2));
  const bool counted = inputs[0].value != kNoValue, conditional = inputs[1].value != kNoValue;
  int64_t rounds = INT64_MAX;
  bool more = true;
  if (counted) {
    QL_TRY(rounds, known_int(inputs, 0, "the number of rounds"));
  }
  if (conditional) {
    QL_TRY(int64_t condition, known_int(inputs, 1, "the condition"));
    more = condition != 0;
  }
  Bindings carried(inputs.begin() + 2, inputs.end());
  const size_t kept = carried.size();
  if (static_cast<size_t>(body->output_size()) < kept + 1)
    return invalid_model("the body has ", body->output_size(), " outputs, expected at least ", kept + 1);
  std::vector<std::vector<ValueId>> stacks(static_cast<size_t>(body->output_size()) - kept - 1);
  Binding condition{emit_.add_constant(name + ".condition", Tensor::scalar<bool>(true))};
  for (int64_t round = 0; round < rounds && more; ++round) {
    QL_CHECK_OK(spend(1));
    Bindings given{Binding{emit_.add_constant(name + ".round", Tensor::scalar<int64_t>(round))}, condition};
    given.insert(given.end(), carried.begin(), carried.end());
    QL_TRY(Bindings results, run_body(*body, std::move(given), scope_prefix(name, ++scopes_)));
    if (conditional) {  // otherwise what the body says about it is ignored
      QL_TRY(int64_t again, known_int(results, 0, "the condition after a round"));
      more = again != 0;
    }
    std::copy(results.begin() + 1, results.begin() + 1 + static_cast<int64_t>(kept), carried.begin());
    for (size_t i = 0; i < stacks.size(); ++i) {
      QL_TRY(ValueId value, tensor_input(results, kept + 1 + i));
      stacks[i].push_back(value);
    }
  }
  for (size_t i = 0; i < stacks.size(); ++i) {
    QL_TRY(Binding all,
           stack(stacks[i], 0, false, body->output(static_cast<int>(kept + 1 + i)), cat(name, ".stack_", i)));
    carried.push_back(all);
  }
  return bind_outputs(proto, std::move(carried));
}

Result<Binding> NodeImporter::stack(const std::vector<ValueId>& rounds, int64_t axis, bool reversed,
                                    const onnx::ValueInfoProto& declared, const std::string& hint) {
  if (rounds.empty()) {
    QL_TRY(DType dtype, dtype_from_onnx(declared.type().tensor_type().elem_type(), emit_.widen_half()));
    Shape shape{0};
    for (const auto& dim : declared.type().tensor_type().shape().dim()) shape.push_back(dim.dim_value());
    QL_TRY(Tensor nothing, Tensor::allocate({dtype, std::move(shape)}));
    return Binding{emit_.add_constant(hint, std::move(nothing))};
  }
  ValueId axes = ints(hint + ".axes", {axis});
  std::vector<ValueId> parts;
  for (ValueId value : rounds) {
    QL_TRY(ValueId part, emit("Unsqueeze", {value, axes}, {}, hint + ".part"));
    parts.push_back(part);
  }
  if (reversed) std::reverse(parts.begin(), parts.end());
  Attrs attrs;
  const int64_t rank = static_cast<int64_t>(emit_.type(parts[0]).shape.size());
  attrs.set("axis", axis < 0 ? axis + rank : axis);
  QL_TRY(ValueId all, emit("Concat", std::move(parts), std::move(attrs), hint));
  return Binding{all};
}

// Scan(carried..., scanned...): body(carried..., one slice of each scanned) -> carried..., one for each stack.
Status NodeImporter::add_scan(const onnx::NodeProto& proto, const std::string& name) {
  QL_TRY(const onnx::GraphProto* body, subgraph(proto, "body"));
  QL_TRY(Bindings inputs, inputs_of(proto));
  QL_TRY(int64_t scanned, int_attribute(proto, "num_scan_inputs", 0));
  if (scanned < 1 || scanned > static_cast<int64_t>(inputs.size()))
    return invalid_model("num_scan_inputs is ", scanned, ", the node has ", inputs.size(), " inputs");
  const size_t count = static_cast<size_t>(scanned), kept = inputs.size() - count;
  if (static_cast<size_t>(body->output_size()) < kept)
    return invalid_model("the body has ", body->output_size(), " outputs, expected at least ", kept);
  const size_t stacked = static_cast<size_t>(body->output_size()) - kept;
  QL_TRY(auto in_axes, ints_attribute(proto, "scan_input_axes", std::vector<int64_t>(count, 0)));
  QL_TRY(auto in_back, ints_attribute(proto, "scan_input_directions", std::vector<int64_t>(count, 0)));
  QL_TRY(auto out_axes, ints_attribute(proto, "scan_output_axes", std::vector<int64_t>(stacked, 0)));
  QL_TRY(auto out_back, ints_attribute(proto, "scan_output_directions", std::vector<int64_t>(stacked, 0)));
  if (in_axes.size() != count || in_back.size() != count || out_axes.size() != stacked || out_back.size() != stacked)
    return invalid_model("axes or directions are not one for each of ", count, " inputs and ", stacked, " outputs");

  std::vector<ValueId> sources;
  int64_t rounds = -1;
  for (size_t i = 0; i < count; ++i) {
    QL_TRY(ValueId source, tensor_input(inputs, kept + i));
    const Shape& shape = emit_.type(source).shape;
    const int64_t rank = static_cast<int64_t>(shape.size());
    if (in_axes[i] < -rank || in_axes[i] >= rank)
      return invalid_model("axis ", in_axes[i], " does not exist in rank ", rank);
    if (in_axes[i] < 0) in_axes[i] += rank;
    const int64_t extent = shape[static_cast<size_t>(in_axes[i])];
    if (rounds >= 0 && extent != rounds)
      return invalid_model("scanned input ", i, " has ", extent, " slices, the first has ", rounds);
    rounds = extent;
    sources.push_back(source);
  }
  Bindings carried(inputs.begin(), inputs.begin() + static_cast<int64_t>(kept));
  std::vector<std::vector<ValueId>> stacks(stacked);
  for (int64_t round = 0; round < rounds; ++round) {
    QL_CHECK_OK(spend(1));
    Bindings given = carried;
    for (size_t i = 0; i < count; ++i) {
      ValueId at =
          emit_.add_constant(name + ".round", Tensor::scalar<int64_t>(in_back[i] ? rounds - 1 - round : round));
      Attrs attrs;
      attrs.set("axis", in_axes[i]);
      QL_TRY(ValueId slice, emit("Gather", {sources[i], at}, std::move(attrs), name + ".slice"));
      given.push_back(Binding{slice});
    }
    QL_TRY(Bindings results, run_body(*body, std::move(given), scope_prefix(name, ++scopes_)));
    std::copy(results.begin(), results.begin() + static_cast<int64_t>(kept), carried.begin());
    for (size_t i = 0; i < stacked; ++i) {
      QL_TRY(ValueId value, tensor_input(results, kept + i));
      stacks[i].push_back(value);
    }
  }
  for (size_t i = 0; i < stacked; ++i) {
    QL_TRY(Binding all, stack(stacks[i], out_axes[i], out_back[i] != 0, body->output(static_cast<int>(kept + i)),
                              cat(name, ".stack_", i)));
    carried.push_back(all);
  }
  return bind_outputs(proto, std::move(carried));
}

Status NodeImporter::add_call(const onnx::NodeProto& proto, const onnx::FunctionProto& function,
                              const std::string& name) {
  QL_TRY(Bindings inputs, inputs_of(proto));
  if (inputs.size() > static_cast<size_t>(function.input_size()))
    return invalid_model("has ", inputs.size(), " inputs, function '", function.name(), "' takes ",
                         function.input_size());
  inputs.resize(static_cast<size_t>(function.input_size()));
  std::map<std::string, onnx::AttributeProto> frame;
  constexpr size_t kBytesOfANode = 1024;  // copied for every call
  QL_TRY(const size_t defaults, add_defaults(function, frame));
  const size_t opsets_named = opsets_.size() + static_cast<size_t>(function.opset_import_size());
  QL_CHECK_OK(spend(defaults / kBytesOfANode + opsets_named / kNamesOfANode));
  for (const auto& attribute : proto.attribute()) {
    const onnx::AttributeProto* given = resolve(attribute);
    if (!given) continue;
    QL_CHECK_OK(spend(given->ByteSizeLong() / kBytesOfANode));
    frame[attribute.name()] = *given;
  }
  for (const auto& [key, attribute] : frame)
    if (attribute.has_g() || attribute.graphs_size() > 0)
      return unsupported("attribute '", key,
                         "' is a subgraph, functions with subgraphs as attributes are not supported");
  QL_TRY(Opsets opsets, read_opsets(function.opset_import(), "the function", opsets_));

  Scope scope{nullptr, scope_prefix(name, ++scopes_), {}, {}};
  for (int i = 0; i < function.input_size(); ++i)
    scope.bound[function.input(i)] = std::move(inputs[static_cast<size_t>(i)]);
  std::swap(frame, frame_);
  std::swap(opsets, opsets_);
  auto results = run_nodes(function.node(), {function.output().begin(), function.output().end()}, scope);
  std::swap(frame, frame_);
  std::swap(opsets, opsets_);
  if (!results.ok()) return std::move(results).context(cat("function '", function.name(), "'")).error();
  return bind_outputs(proto, *std::move(results));
}

}  // namespace quadlane
