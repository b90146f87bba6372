#include "tools/cli/output_error.h"

#include <algorithm>

#include "engine/api/engine.h"
#include "engine/run/topology.h"
#include "tools/cli/tensors.h"
#include "tools/measure/deviation.h"

namespace quadlane::tools {
namespace {

// Calls seen(sample, outputs) for every sample.
Status run_all(Graph graph, std::span<const std::vector<Tensor>> samples,
               const std::function<Status(size_t, const Outputs&)>& seen) {
  ModelOptions options;
  options.tune = false;  // timing candidates takes longer than running the samples
  graph.tail = nullptr;  // its results may differ in their shapes, not what it reads
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

}  // namespace

Status check_measurable(const Graph& graph) {
  const auto outputs = graph.outputs();
  if (std::any_of(outputs.begin(), outputs.end(), [&](ValueId v) { return graph.at(v).type.dtype == DType::f32; }))
    return {};
  std::string found;
  for (ValueId v : outputs)
    found += cat(found.empty() ? "'" : ", '", graph.at(v).name, "' ", to_string(graph.at(v).type));
  return unsupported("no output is f32, whose sqnr could be measured: ", found);
}

Result<OutputError> OutputError::against(const Graph& fp32, std::vector<std::vector<Tensor>> samples) {
  QL_CHECK_OK(check_measurable(fp32));
  OutputError error;
  error.wanted_.resize(samples.size());
  QL_CHECK_OK(run_all(fp32, samples, [&](size_t i, const Outputs& outputs) -> Status {
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
  QL_CHECK_OK(run_all(quantized, samples_, [&](size_t i, const Outputs& outputs) -> Status {
    double sum = 0, floats = 0;  // at least one
    for (size_t k = 0; k < outputs.size(); ++k) {
      if (wanted_[i][k].dtype() != DType::f32) continue;
      sum += sqnr_of(outputs[k], wanted_[i][k]);
      ++floats;
    }
    db.push_back(sum / floats);
    return {};
  }));
  return db;
}

}  // namespace quadlane::tools
