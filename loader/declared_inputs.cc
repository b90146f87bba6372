#include <set>

#include "loader/importer.h"
#include "loader/tensor_proto.h"

namespace quadlane {
namespace {

Result<InputSpec> spec_of(const onnx::ValueInfoProto& input, bool widen_half) {
  if (!input.type().has_tensor_type()) return unsupported("is no tensor, only tensors are supported");
  const auto& type = input.type().tensor_type();
  InputSpec spec;
  spec.name = input.name();
  spec.has_shape = type.has_shape();
  QL_TRY(spec.dtype, dtype_from_onnx(type.elem_type(), widen_half));
  for (int i = 0; i < type.shape().dim_size(); ++i) {
    const auto& dim = type.shape().dim(i);
    if (dim.has_dim_value() && dim.dim_value() < 0) return invalid_model("dimension ", i, " is ", dim.dim_value());
    spec.dims.push_back({dim.has_dim_value() ? dim.dim_value() : kOpenExtent, dim.dim_param()});
  }
  return spec;
}

}  // namespace

Result<std::vector<InputSpec>> declared_inputs(const onnx::GraphProto& graph, bool widen_half) {
  std::set<std::string> initializers, names;
  for (const auto& tensor : graph.initializer()) initializers.insert(tensor.name());
  std::vector<InputSpec> inputs;
  for (const auto& input : graph.input()) {
    if (input.name().empty()) return invalid_model("an input of the graph has no name");
    if (!names.insert(input.name()).second) return invalid_model("input '", input.name(), "' exists twice");
    if (initializers.count(input.name())) continue;
    QL_TRY(InputSpec spec, spec_of(input, widen_half).context(cat("input '", input.name(), "'")));
    inputs.push_back(std::move(spec));
  }
  return inputs;
}

}  // namespace quadlane
