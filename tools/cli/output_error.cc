#include "tools/cli/output_error.h"

#include <algorithm>
#include <cmath>

#include "engine/api/engine.h"
#include "engine/run/topology.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

constexpr double kNoErrorDb = 200;

// Calls seen(sample, outputs) for every sample.
Status run_all(const Graph& graph, std::span<const std::vector<Tensor>> samples,
               const std::function<Status(size_t, const Outputs&)>& seen) {
  ModelOptions options;
  options.tune = false;  // timing candidates takes longer than running the samples
  QL_TRY(Model model, Model::from_graph(graph, options));
  QL_TRY(run::Stream stream, model.open_stream({.threads = run::detect_topology().usable_threads()}));
  QL_TRY(Outputs outputs, Outputs::allocate(model.outputs()));
  for (size_t i = 0; i < samples.size(); ++i) {
    QL_CHECK_OK(stream.run(views_of(samples[i]), outputs.views()));
    QL_CHECK_OK(seen(i, outputs));
  }
  return {};
}

}  // namespace

Result<OutputError> OutputError::against(const Graph& fp32, std::vector<std::vector<Tensor>> samples) {
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

Result<double> OutputError::sqnr_db(const Graph& quantized) const {
  std::vector<double> signal, noise;
  QL_CHECK_OK(run_all(quantized, samples_, [&](size_t i, const Outputs& outputs) -> Status {
    signal.resize(outputs.size());
    noise.resize(outputs.size());
    for (size_t k = 0; k < outputs.size(); ++k) {
      const Tensor& want = wanted_[i][k];
      if (want.dtype() != DType::f32) continue;
      for (int64_t e = 0; e < want.count(); ++e) {
        const double w = want.as<float>()[e], d = outputs[k].as<float>()[e] - w;
        signal[k] += w * w;
        noise[k] += d * d;
      }
    }
    return {};
  }));
  double sum = 0;
  for (size_t k = 0; k < signal.size(); ++k)
    sum += noise[k] > 0 ? std::min(kNoErrorDb, 10 * std::log10(signal[k] / noise[k])) : kNoErrorDb;
  return signal.empty() ? kNoErrorDb : sum / static_cast<double>(signal.size());
}

}  // namespace quadlane::tools
