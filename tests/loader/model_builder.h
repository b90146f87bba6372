// ONNX models made in a test, a line for each input, initializer and node.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <type_traits>
#include <vector>

#include "loader/load.h"
#include "ops/table.h"

namespace quadlane::testing {

// One attribute; the kind follows from the C++ type.
inline onnx::AttributeProto attribute(const std::string& name, int64_t v) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(onnx::AttributeProto::INT);
  a.set_i(v);
  return a;
}
inline onnx::AttributeProto attribute(const std::string& name, float v) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(onnx::AttributeProto::FLOAT);
  a.set_f(v);
  return a;
}
inline onnx::AttributeProto attribute(const std::string& name, const char* v) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(onnx::AttributeProto::STRING);
  a.set_s(v);
  return a;
}
inline onnx::AttributeProto attribute(const std::string& name, const std::vector<int64_t>& v) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(onnx::AttributeProto::INTS);
  a.mutable_ints()->Assign(v.begin(), v.end());
  return a;
}
inline onnx::AttributeProto attribute(const std::string& name, const std::vector<float>& v) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(onnx::AttributeProto::FLOATS);
  a.mutable_floats()->Assign(v.begin(), v.end());
  return a;
}
inline onnx::AttributeProto attribute(const std::string& name, const onnx::TensorProto& v) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(onnx::AttributeProto::TENSOR);
  *a.mutable_t() = v;
  return a;
}

// A tensor with raw data.
template <class T>
onnx::TensorProto tensor_proto(int type, const std::vector<int64_t>& shape, const std::vector<T>& data) {
  onnx::TensorProto t;
  t.set_data_type(type);
  for (int64_t extent : shape) t.add_dims(extent);
  t.set_raw_data(data.data(), data.size() * sizeof(T));
  return t;
}

struct ModelBuilder {
  onnx::ModelProto model;

  explicit ModelBuilder(int opset = 21) {
    model.set_ir_version(8);
    model.mutable_graph()->set_name("test");
    model.add_opset_import()->set_version(opset);
  }
  onnx::GraphProto& graph() { return *model.mutable_graph(); }

  static void declare(onnx::ValueInfoProto* info, const std::string& name, const std::vector<int64_t>& shape,
                      int type) {
    info->set_name(name);
    info->mutable_type()->mutable_tensor_type()->set_elem_type(type);
    auto* dims = info->mutable_type()->mutable_tensor_type()->mutable_shape();
    for (int64_t extent : shape) dims->add_dim()->set_dim_value(extent);
  }
  ModelBuilder& input(const std::string& name, const std::vector<int64_t>& shape, int type = onnx::TensorProto::FLOAT) {
    declare(graph().add_input(), name, shape, type);
    return *this;
  }
  ModelBuilder& output(const std::string& name) {
    graph().add_output()->set_name(name);
    return *this;
  }
  template <class T>
  ModelBuilder& initializer(const std::string& name, const std::vector<int64_t>& shape, const std::vector<T>& data,
                            int type) {
    *graph().add_initializer() = tensor_proto(type, shape, data);
    graph().mutable_initializer()->rbegin()->set_name(name);
    return *this;
  }
  ModelBuilder& floats(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& data) {
    return initializer(name, shape, data, onnx::TensorProto::FLOAT);
  }
  ModelBuilder& ints(const std::string& name, const std::vector<int64_t>& data) {
    return initializer(name, {static_cast<int64_t>(data.size())}, data, onnx::TensorProto::INT64);
  }
  ModelBuilder& node(const std::string& op, const std::vector<std::string>& inputs,
                     const std::vector<std::string>& outputs, const std::vector<onnx::AttributeProto>& attributes = {},
                     const std::string& name = {}) {
    onnx::NodeProto* n = graph().add_node();
    n->set_op_type(op);
    if (!name.empty()) n->set_name(name);
    for (const auto& i : inputs) n->add_input(i);
    for (const auto& o : outputs) n->add_output(o);
    for (const auto& a : attributes) *n->add_attribute() = a;
    return *this;
  }

  std::string bytes() const { return model.SerializeAsString(); }
  Result<Graph> load(const LoadOptions& options = {}) const {
    std::string b = bytes();
    return load_onnx_bytes(std::as_bytes(std::span(b)), op_table(), options);
  }
  // The one-line error of loading, or "" when it loads.
  std::string error(const LoadOptions& options = {}) const {
    auto graph = load(options);
    return graph.ok() ? std::string() : graph.error().text();
  }
};

}  // namespace quadlane::testing
