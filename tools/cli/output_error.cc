#include "tools/cli/output_error.h"

#include <algorithm>
#include <cmath>

#include "engine/api/engine.h"
#include "engine/run/topology.h"
#include "graph/passes/rewrite.h"
#include "tools/cli/tensors.h"
#include "tools/measure/deviation.h"

namespace quadlane::tools {
namespace {

// Calls seen(sample, outputs) for every sample.
Status run_all(Graph graph, std::span<const std::vector<Tensor>> samples,
               const std::function<Status(size_t, const Outputs&)>& seen) {
  ModelOptions options;
  options.tune = false;  // timing candidates takes longer than running the samples
  QL_TRY(Model model, Model::from_graph(std::move(graph), options));
  QL_TRY(run::Stream stream, model.open_stream({.threads = run::detect_topology().usable_threads()}));
  QL_TRY(Outputs outputs, Outputs::allocate(model.outputs()));
  for (size_t i = 0; i < samples.size(); ++i) {
    QL_CHECK_OK(stream.run(views_of(samples[i]), outputs.views()));
    QL_CHECK_OK(seen(i, outputs));
  }
  return {};
}

double sqnr_of(const Tensor& got, const Tensor& want) {
  measure::Deviation d;
  for (int64_t e = 0; e < want.count(); ++e) d.add(want.as<float>()[e], got.as<float>()[e]);
  const double db = d.sqnr_db();
  return db > 0 ? db : 0;  // as much noise as signal, or no number, is lost
}

double agreement_db(const Tensor& got, const Tensor& want) {
  int64_t unlike = 0;
  for (int64_t e = 0; e < want.count(); ++e)
    unlike += element_as_double(got.view(), e) != element_as_double(want.view(), e);
  const double count = static_cast<double>(std::max<int64_t>(want.count(), 1));
  return -10 * std::log10(std::max(static_cast<double>(unlike), 0.5) / count);
}

bool has_floats(const Graph& graph) {
  const auto outputs = graph.outputs();
  return std::any_of(outputs.begin(), outputs.end(), [&](ValueId v) { return graph.at(v).type.dtype == DType::f32; });
}

// The graph with the scores that its probabilities are made of in their place: in front of a softmax or sigmoid at the
// end. Probabilities near 0 and 1 hide most of what quantization changes, and of two classes they are one number.
Graph with_scores(Graph graph) {
  std::vector<ValueId> outputs(graph.outputs().begin(), graph.outputs().end());
  for (ValueId& output : outputs) {
    ValueId v = output;
    const Node* node = graph.producer(v);
    while (node && is_one_of(node->op, {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"}))
      node = graph.producer(v = node->input(0));
    if (node && is_one_of(node->op, {"Softmax", "LogSoftmax", "Sigmoid"})) output = node->input(0);
  }
  graph.set_outputs(outputs);
  graph.tail = nullptr;  // its results may differ in their shapes, not what it reads
  return graph;
}

}  // namespace

Status check_measurable(const Graph& graph) {
  if (has_floats(graph)) return {};
  std::string found;
  for (ValueId v : graph.outputs())
    found += cat(found.empty() ? "'" : ", '", graph.at(v).name, "' ", to_string(graph.at(v).type));
  return unsupported("no output is f32, whose sqnr could be measured: ", found);
}

Result<OutputError> OutputError::against(const Graph& fp32, std::vector<std::vector<Tensor>> samples) {
  OutputError error;
  error.counts_classes_ = !has_floats(fp32);
  error.wanted_.resize(samples.size());
  QL_CHECK_OK(run_all(with_scores(fp32), samples, [&](size_t i, const Outputs& outputs) -> Status {
    for (size_t k = 0; k < outputs.size(); ++k) {
      QL_TRY(Tensor copy, Tensor::allocate(outputs[k].type()));
      std::copy_n(outputs[k].as<std::byte>(), outputs[k].type().bytes(), static_cast<std::byte*>(copy.mutable_data()));
      error.wanted_[i].push_back(std::move(copy));
    }
    return {};
  }));
  error.samples_ = std::move(samples);
  return error;
}

Result<std::vector<double>> OutputError::sqnr_db(const Graph& quantized) const {
  std::vector<double> db;
  QL_CHECK_OK(run_all(with_scores(quantized), samples_, [&](size_t i, const Outputs& outputs) -> Status {
    double sum = 0, count = 0;  // at least one
    for (size_t k = 0; k < outputs.size(); ++k) {
      const bool counts = wanted_[i][k].dtype() == DType::f32 || counts_classes_;
      if (counts) sum += (counts_classes_ ? agreement_db : sqnr_of)(outputs[k], wanted_[i][k]);
      count += counts;
    }
    db.push_back(sum / count);
    return {};
  }));
  return db;
}

}  // namespace quadlane::tools
