#include "loader/save.h"

#include <climits>
#include <set>

#include "engine/base/file.h"
#include "loader/attribute.h"
#include "loader/file_form.h"
#include "loader/guard.h"
#include "loader/onnx_tail.h"

namespace quadlane {
namespace {

void describe_value(const Value& value, const OpenDims& open, onnx::ValueInfoProto* info) {
  info->set_name(value.name);
  auto* type = info->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx_from_dtype(value.type.dtype));
  type->mutable_shape();  // present even for a scalar
  auto dims = open.find(value.name);
  for (size_t i = 0; i < value.type.shape.size(); ++i) {
    auto* dim = type->mutable_shape()->add_dim();
    const bool is_open = dims != open.end() && i < dims->second.size() && dims->second[i].is_open();
    if (!is_open)
      dim->set_dim_value(value.type.shape[i]);
    else if (!dims->second[i].symbol.empty())
      dim->set_dim_param(dims->second[i].symbol);
  }
}

// An output of the tail: only its element type is known.
void describe_computed(const Tail::Output& output, onnx::ValueInfoProto* info) {
  info->set_name(output.name);
  info->mutable_type()->mutable_tensor_type()->set_elem_type(onnx_from_dtype(output.dtype));
}

class Writer {
 public:
  Writer(const Graph& graph, const SaveOptions& options) : graph_(graph), options_(options) {}

  Result<std::vector<std::byte>> run() {
    order_ = graph_.order();
    if (order_.size() != graph_.node_count()) return invalid_argument("the graph has a cycle");
    QL_CHECK_OK(choose_opset());
    collect_names();
    write_header();
    for (ValueId id : graph_.inputs()) describe_value(graph_[id], options_.dims, proto()->add_input());
    for (NodeId id : order_) QL_CHECK_OK(write_node(graph_[id]));
    QL_CHECK_OK(write_outputs());
    return bytes();
  }

 private:
  onnx::GraphProto* proto() { return model_.mutable_graph(); }

  Status choose_opset() {
    if (options_.opset < kOldestWritten || options_.opset > kNewestWritten)
      return invalid_argument("opset ", options_.opset, " is not written, ", kOldestWritten, " to ", kNewestWritten,
                              " are");
    opset_ = options_.opset;
    for (NodeId id : order_) {
      QL_TRY(int needed, required_opset(graph_, graph_[id]));
      opset_ = std::max(opset_, needed);
    }
    if (graph_.tail) {
      int oldest = kOldestWritten;
      for (NodeId id : order_) oldest = std::max(oldest, *required_opset(graph_, graph_[id]));
      QL_TRY(opset_, opset_for_tail(*graph_.tail, opset_, oldest, kNewestWritten));
    }
    return {};
  }

  void collect_names() {
    for (ValueId id : graph_.inputs()) names_.insert(graph_[id].name);
    for (ValueId id : graph_.outputs()) names_.insert(graph_[id].name);
    for (NodeId id : order_) {
      for (ValueId v : graph_[id].inputs)
        if (v != kNoValue) names_.insert(graph_[v].name);
      for (ValueId v : graph_[id].outputs) names_.insert(graph_[v].name);
    }
  }

  static std::string unique(const std::string& hint, std::set<std::string>& taken) {
    std::string name = hint;
    for (int i = 1; !taken.insert(name).second; ++i) name = cat(hint, "_", i);
    return name;
  }

  void write_header() {
    model_.set_ir_version(opset_ < 15 ? 7 : opset_ < 19 ? 8 : opset_ < 21 ? 9 : opset_ < 23 ? 10 : opset_ - 12);
    model_.set_producer_name("quadlane");
    model_.set_producer_version(options_.producer_version);
    auto* set = model_.add_opset_import();
    set->set_domain("");
    set->set_version(opset_);
    for (const auto& [key, value] : options_.metadata) {
      auto* entry = model_.add_metadata_props();
      entry->set_key(key);
      entry->set_value(value);
    }
    proto()->set_name(graph_.name.empty() ? "quadlane" : graph_.name);
  }

  // The order of the model's outputs is kept.
  Status write_outputs() {
    for (ValueId id : graph_.outputs()) read_.insert(graph_[id].name);
    write_constants();
    if (!graph_.tail) {
      for (ValueId id : graph_.outputs()) describe_value(graph_[id], options_.dims, proto()->add_output());
      return {};
    }
    std::vector<std::string> written;
    for (ValueId id : graph_.outputs()) written.push_back(graph_[id].name);
    for (const Tail::Output& output : graph_.tail->outputs()) {
      onnx::ValueInfoProto* info = proto()->add_output();
      if (output.graph_output)
        describe_value(graph_[graph_.outputs()[*output.graph_output]], options_.dims, info);
      else
        describe_computed(output, info);
    }
    return write_tail(
        *graph_.tail, opset_, written, [&](const std::string& name) { return read_.count(name) != 0; }, &model_);
  }

  // In the graph's order; one that a file form turned into an attribute is not written.
  void write_constants() {
    for (uint32_t i = 0; i < graph_.value_capacity(); ++i) {
      const Value& value = graph_[ValueId{i}];
      bool alive = !value.uses.empty() || graph_.is_output(ValueId{i});
      if (value.constant && alive && read_.count(value.name))
        tensor_to_proto(*value.constant, value.name, proto()->add_initializer());
    }
  }

  Status write_node(const Node& node) {
    QL_TRY(FileNode form, file_form(graph_, node, opset_, [this](const std::string& hint, const Tensor& tensor) {
             const std::string name = unique(hint, names_);
             tensor_to_proto(tensor, name, proto()->add_initializer());
             return name;
           }));
    if (const std::string of = node.attrs.string_or("sizes_of", ""); !of.empty()) write_sizes(node, of, form);
    read_.insert(form.inputs.begin(), form.inputs.end());
    auto* out = proto()->add_node();
    if (!node.name.empty()) out->set_name(unique(node.name, node_names_));  // a pass makes many nodes of one
    out->set_op_type(form.op);
    for (const std::string& input : form.inputs) out->add_input(input);
    for (ValueId v : node.outputs) out->add_output(graph_[v].name);
    for (const auto& [name, attr] : form.attrs) attr_to_proto(name, attr, out->add_attribute());
    return {};
  }

  // The sizes of a Resize as nodes: images and channels of its input, the rest of another value (graph/generalize.h).
  void write_sizes(const Node& node, const std::string& of, FileNode& form) {
    const auto rank = static_cast<int64_t>(graph_[node.output()].type.shape.size());
    auto add = [&](const char* op, const std::vector<std::string>& inputs) {
      const std::string name = unique(cat(node.name, ".", op), names_);
      auto* out = proto()->add_node();
      out->set_name(unique(name, node_names_));
      out->set_op_type(op);
      for (const std::string& input : inputs) out->add_input(input);
      out->add_output(name);
      read_.insert(inputs.begin(), inputs.end());
      return name;
    };
    auto number = [&](int64_t value) {
      const std::string name = unique(node.name + ".axis", names_);
      tensor_to_proto(Tensor::from<int64_t>({1}, std::vector<int64_t>{value}), name, proto()->add_initializer());
      return name;
    };
    const std::string own = add("Slice", {add("Shape", {form.inputs[0]}), number(0), number(2)}),
                      other = add("Slice", {add("Shape", {of}), number(2), number(rank)});
    form.set_input(3, add("Concat", {own, other}));
    attr_to_proto("axis", int64_t{0}, proto()->mutable_node()->rbegin()->add_attribute());
    form.set_input(2, "");
    form.attrs.erase("sizes_of");
  }

  Result<std::vector<std::byte>> bytes() const {
    size_t size = model_.ByteSizeLong();
    if (size > INT_MAX) return unsupported("the model would have ", size, " bytes, the limit is ", INT_MAX);
    std::vector<std::byte> bytes(size);
    if (!model_.SerializeToArray(bytes.data(), static_cast<int>(size)))
      return make_error(Code::internal, "the model could not be serialized");
    return bytes;
  }

  const Graph& graph_;
  const SaveOptions& options_;
  OnArena<onnx::ModelProto> held_;
  onnx::ModelProto& model_ = *held_.message;
  std::vector<NodeId> order_;
  std::set<std::string> names_, node_names_;  // taken
  std::set<std::string> read_;                // by nodes in their file form, or as outputs
  int opset_ = 0;
};

}  // namespace

Result<std::vector<std::byte>> save_onnx_bytes(const Graph& graph, const SaveOptions& options) {
  return guarded([&] { return Writer(graph, options).run(); });
}

Status save_onnx(const Graph& graph, const std::string& path, const SaveOptions& options) {
  QL_TRY(auto bytes, save_onnx_bytes(graph, options));
  return guarded([&] { return write_whole_file(path, bytes); });
}

}  // namespace quadlane
