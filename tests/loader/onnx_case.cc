#include "tests/loader/onnx_case.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "graph/tail.h"
#include "loader/load.h"
#include "loader/tensor_file.h"
#include "tests/loader/shared_data.h"

namespace quadlane::testing {
namespace {

namespace fs = std::filesystem;
using Kind = CaseResult::Kind;

struct DataSet {
  std::vector<Tensor> inputs, outputs;
};

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

Result<std::vector<Tensor>> read_tensors(const fs::path& directory, const char* stem, std::vector<int>* numbers) {
  std::vector<Tensor> tensors;
  for (int i = 0; i < 64; ++i) {
    fs::path path = directory / cat(stem, i, ".pb");
    if (!fs::exists(path)) continue;
    QL_TRY(Tensor tensor, read_tensor_pb(path.string()));
    tensors.push_back(std::move(tensor));
    numbers->push_back(i);
  }
  return tensors;
}

// The model with inputs from `first_fixed` on turned into initializers.
std::string with_fixed_inputs(const onnx::ModelProto& model, const fs::path& set, const std::vector<int>& numbers,
                              size_t first_fixed) {
  onnx::ModelProto fixed = model;
  auto* graph = fixed.mutable_graph();
  for (size_t i = first_fixed; i < numbers.size(); ++i) {
    auto* tensor = graph->add_initializer();
    tensor->ParseFromString(read_bytes(set / cat("input_", numbers[i], ".pb")));
    tensor->set_name(model.graph().input(numbers[i]).name());
  }
  graph->mutable_input()->DeleteSubrange(static_cast<int>(first_fixed),
                                         graph->input_size() - static_cast<int>(first_fixed));
  return fixed.SerializeAsString();
}

// The vectors hold bfloat16 as its bits in uint16, which cannot be told from uint16.
bool has_bfloat16(const onnx::GraphProto& graph) {
  auto is = [](const onnx::ValueInfoProto& v) {
    return v.type().tensor_type().elem_type() == onnx::TensorProto::BFLOAT16;
  };
  return std::any_of(graph.input().begin(), graph.input().end(), is) ||
         std::any_of(graph.output().begin(), graph.output().end(), is);
}

struct Attempt {
  const onnx::ModelProto& model;
  fs::path set;
  const OpTable& ops;
  double rtol, atol;

  CaseResult run(size_t first_fixed, bool widen) const {
    std::vector<int> numbers, unused;
    auto inputs = read_tensors(set, "input_", &numbers), outputs = read_tensors(set, "output_", &unused);
    if (!inputs.ok()) return {Kind::not_ours, {}, inputs.error().text()};
    if (!outputs.ok()) return {Kind::not_ours, {}, outputs.error().text()};
    if (first_fixed < inputs->size()) inputs->resize(first_fixed);
    std::string bytes = with_fixed_inputs(model, set, numbers, inputs->size());
    LoadOptions options;
    options.widen_half = widen;
    for (size_t i = 0; i < inputs->size(); ++i) {  // many cases have symbolic inputs
      if (widen) (*inputs)[i] = widened((*inputs)[i]);
      options.shapes[model.graph().input(numbers[i]).name()] = (*inputs)[i].shape();
    }
    auto graph = load_onnx_bytes(std::as_bytes(std::span(bytes)), ops, options);
    if (!graph.ok()) return {Kind::refused, {}, graph.error().text()};
    auto got = interpret(*graph, ops, *inputs);
    if (!got.ok()) {  // in the tail operators are met when it runs
      const bool refuses = graph->tail && got.error().code == Code::unsupported;
      return {refuses ? Kind::refused : Kind::failed, {}, got.error().text()};
    }
    if (got->size() != outputs->size())
      return {Kind::failed, {}, cat(got->size(), " outputs, expected ", outputs->size())};
    for (size_t i = 0; i < got->size(); ++i) {
      std::string wrong = difference((*got)[i], widen ? widened((*outputs)[i]) : (*outputs)[i], rtol, atol);
      if (!wrong.empty()) return {Kind::failed, {}, cat("output ", i, ": ", wrong)};
    }
    return {Kind::passed, {}, {}};
  }

  CaseResult run_any() const {
    CaseResult first = run(64, false);
    if (first.kind != Kind::refused) return first;
    for (bool widen : {false, true})
      for (size_t first_fixed : {size_t{64}, size_t{1}, size_t{0}})
        if (CaseResult r = run(first_fixed, widen); r.kind != Kind::refused) return r;
    return first;
  }
};

}  // namespace

CaseResult run_onnx_case(const fs::path& directory, const OpTable& ops, double rtol, double atol) {
  onnx::ModelProto model;
  if (!model.ParseFromString(read_bytes(directory / "model.onnx")))
    return {Kind::failed, "", "model.onnx is unreadable"};
  std::string op = model.graph().node_size() == 1 ? model.graph().node(0).op_type() : "(several)";
  if (has_bfloat16(model.graph())) return {Kind::not_ours, op, "bfloat16"};
  int sets = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (!entry.is_directory() || entry.path().filename().string().rfind("test_data_set_", 0) != 0) continue;
    CaseResult result = Attempt{model, entry.path(), ops, rtol, atol}.run_any();
    ++sets;
    if (result.kind != Kind::passed) return {result.kind, op, result.reason};
  }
  if (sets == 0) return {Kind::not_ours, op, "no data"};
  return {Kind::passed, op, {}};
}

}  // namespace quadlane::testing
