// Sequences exist while importing only: a list of the graph's values. What is done to them is done to the list.
#include "loader/node_importer.h"

namespace quadlane {
namespace {

using Values = std::vector<ValueId>;

Binding sequence_of(Values values) { return {kNoValue, std::make_shared<const Values>(std::move(values)), false}; }

template <class Inputs>
Result<Values> sequence_input(const Inputs& inputs, size_t i) {
  if (i >= inputs.size() || !inputs[i].sequence) return invalid_model("input ", i, " is not a sequence");
  return *inputs[i].sequence;
}

// A position among `size`, counted from the end when negative.
Result<size_t> position(int64_t at, size_t size) {
  const int64_t n = static_cast<int64_t>(size);
  if (at < -n || at >= n) return invalid_model("position ", at, " does not exist in a sequence of ", n);
  return static_cast<size_t>(at < 0 ? at + n : at);
}

}  // namespace

Status NodeImporter::add_sequence_construct(const onnx::NodeProto& proto, const std::string&) {
  QL_TRY(Bindings inputs, inputs_of(proto));
  Values values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    QL_TRY(ValueId value, tensor_input(inputs, i));
    values.push_back(value);
  }
  return bind_outputs(proto, {sequence_of(std::move(values))});
}

Status NodeImporter::add_sequence_empty(const onnx::NodeProto& proto, const std::string&) {
  return bind_outputs(proto, {sequence_of({})});
}

Status NodeImporter::add_sequence_at(const onnx::NodeProto& proto, const std::string&) {
  QL_TRY(Bindings inputs, inputs_of(proto));
  QL_TRY(Values values, sequence_input(inputs, 0));
  QL_TRY(int64_t at, known_int(inputs, 1, "the position"));
  QL_TRY(size_t index, position(at, values.size()));
  return bind_outputs(proto, {Binding{values[index]}});
}

Status NodeImporter::add_sequence_length(const onnx::NodeProto& proto, const std::string& name) {
  QL_TRY(Bindings inputs, inputs_of(proto));
  QL_TRY(Values values, sequence_input(inputs, 0));
  Tensor length = Tensor::scalar<int64_t>(static_cast<int64_t>(values.size()));
  return bind_outputs(proto, {Binding{emit_.add_constant(name + ".length", std::move(length))}});
}

Status NodeImporter::add_sequence_insert(const onnx::NodeProto& proto, const std::string&) {
  QL_TRY(Bindings inputs, inputs_of(proto));
  QL_TRY(Values values, sequence_input(inputs, 0));
  QL_TRY(ValueId value, tensor_input(inputs, 1));
  size_t index = values.size();
  if (inputs.size() > 2 && inputs[2].value != kNoValue) {
    QL_TRY(int64_t at, known_int(inputs, 2, "the position"));
    if (at != static_cast<int64_t>(values.size())) {
      QL_TRY(index, position(at, values.size()));
    }
  }
  QL_CHECK_OK(spend(values.size() / 64));  // a loop that appends copies the list in every round
  values.insert(values.begin() + static_cast<int64_t>(index), value);
  return bind_outputs(proto, {sequence_of(std::move(values))});
}

Status NodeImporter::add_sequence_erase(const onnx::NodeProto& proto, const std::string&) {
  QL_TRY(Bindings inputs, inputs_of(proto));
  QL_TRY(Values values, sequence_input(inputs, 0));
  int64_t at = -1;
  if (inputs.size() > 1 && inputs[1].value != kNoValue) {
    QL_TRY(at, known_int(inputs, 1, "the position"));
  }
  QL_TRY(size_t index, position(at, values.size()));
  values.erase(values.begin() + static_cast<int64_t>(index));
  return bind_outputs(proto, {sequence_of(std::move(values))});
}

// Parts of given lengths, or of one length with a shorter last one; without lengths of 1, and then `keepdims` says
// whether the axis stays.
Status NodeImporter::add_split_to_sequence(const onnx::NodeProto& proto, const std::string& name) {
  QL_TRY(Bindings inputs, inputs_of(proto));
  QL_TRY(ValueId source, tensor_input(inputs, 0));
  QL_TRY(int64_t axis, int_attribute(proto, "axis", 0));
  QL_TRY(int64_t keepdims, int_attribute(proto, "keepdims", 1));
  const Shape shape = emit_.type(source).shape;
  const int64_t rank = static_cast<int64_t>(shape.size());
  if (axis < -rank || axis >= rank) return invalid_model("axis ", axis, " does not exist in rank ", rank);
  if (axis < 0) axis += rank;
  const int64_t extent = shape[static_cast<size_t>(axis)];
  const bool given = inputs.size() > 1 && inputs[1].value != kNoValue;
  std::vector<int64_t> lengths;
  int64_t length = 1;
  if (given) {
    QL_TRY(const Tensor* split, known_input(inputs, 1, "the split"));
    if (!is_integer(split->dtype())) return invalid_model("the split is ", to_string(split->type()));
    if (split->shape().empty()) length = element_as_int(split->view(), 0);
    if (!split->shape().empty()) lengths = to_ints(split->view());
  }
  if (lengths.empty()) {
    if (length < 1) return invalid_model("the split is ", length, ", expected at least 1");
    QL_CHECK_OK(spend(static_cast<size_t>(extent / length)));
    for (int64_t at = 0; at < extent; at += length) lengths.push_back(std::min(length, extent - at));
  }
  QL_CHECK_OK(spend(lengths.size()));
  Attrs attrs;
  attrs.set("axis", axis);
  Values parts;
  if (lengths.size() == 1 && lengths[0] == extent) {
    parts.push_back(source);
  } else if (!lengths.empty()) {
    Node node;
    node.name = name;
    node.op = "Split";
    node.attrs = std::move(attrs);
    node.inputs = {source, ints(name + ".lengths", lengths)};
    QL_TRY(parts, emit_.emit(std::move(node), {}));
  }
  if (!given && keepdims == 0) {
    ValueId axes = ints(name + ".axes", {axis});
    for (ValueId& part : parts) {
      QL_TRY(part, emit("Squeeze", {part, axes}, {}, name + ".part"));
    }
  }
  return bind_outputs(proto, {sequence_of(std::move(parts))});
}

Status NodeImporter::add_concat_from_sequence(const onnx::NodeProto& proto, const std::string& name) {
  QL_TRY(Bindings inputs, inputs_of(proto));
  QL_TRY(Values values, sequence_input(inputs, 0));
  QL_TRY(int64_t axis, int_attribute(proto, "axis", 0));
  QL_TRY(int64_t new_axis, int_attribute(proto, "new_axis", 0));
  if (values.empty()) return invalid_model("the sequence is empty");
  if (new_axis) {
    QL_TRY(Binding all, stack(values, axis, false, {}, name + ".all"));
    return bind_outputs(proto, {all});
  }
  Attrs attrs;
  attrs.set("axis", axis);
  QL_TRY(ValueId all, emit("Concat", std::move(values), std::move(attrs), name + ".all"));
  return bind_outputs(proto, {Binding{all}});
}

}  // namespace quadlane
