#include "tools/cli/output_error.h"

#include <algorithm>
#include <cmath>

#include "engine/api/engine.h"
#include "engine/run/topology.h"
#include "graph/passes/rewrite.h"
#include "tools/cli/features.h"
#include "tools/cli/level_deviation.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

// Rounding falls differently when the contrast changes a little, which shows how much of an error is chance. Few
// samples are judged by copies of less and less contrast, so many that there are kMeasured in all, or outputs of
// kMostElements.
constexpr float kContrastStep = 0.03f;
constexpr int64_t kMeasured = 40, kMostCopies = 8, kMostElements = 1 << 24;

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

// `levels`: of bytes; null: floats.
double sqnr_of(const Tensor& got, const Tensor& want, const QuantValue* levels = nullptr) {
  LevelDeviation d;
  if (levels)
    d.add(want, got, *levels);
  else
    for (int64_t e = 0; e < want.count(); ++e) d.values.add(want.as<float>()[e], got.as<float>()[e]);
  const double db = d.values.sqnr_db();
  return db > 0 ? db : 0;  // as much noise as signal, or no number, is lost
}

double agreement_db(const Tensor& got, const Tensor& want) {
  int64_t unlike = 0;
  for (int64_t e = 0; e < want.count(); ++e)
    unlike += element_as_double(got.view(), e) != element_as_double(want.view(), e);
  const double count = static_cast<double>(std::max<int64_t>(want.count(), 1));
  return -10 * std::log10(std::max(static_cast<double>(unlike), 0.5) / count);
}

bool has_floats(std::span<const ValueId> values, const Graph& graph) {
  return std::any_of(values.begin(), values.end(), [&](ValueId v) { return graph.at(v).type.dtype == DType::f32; });
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

// The sample with so much of its contrast.
std::vector<Tensor> weaker(std::vector<Tensor> sample, float contrast) {
  for (Tensor& input : sample) {
    if (input.dtype() != DType::f32) continue;
    float* x = input.mutate<float>();
    for (int64_t e = 0; e < input.count(); ++e) x[e] *= contrast;
  }
  return sample;
}

int copies_of_each(const Graph& fp32, size_t samples) {
  if (!has_floats(fp32.inputs(), fp32)) return 1;
  int64_t elements = 0;
  for (ValueId v : fp32.outputs()) elements += fp32.at(v).type.count();
  const int64_t count = std::max<int64_t>(static_cast<int64_t>(samples), 1);
  const int64_t room = kMostElements / std::max<int64_t>(elements * count, 1);
  return static_cast<int>(std::clamp<int64_t>(std::min(kMeasured / count, room), 1, kMostCopies));
}

}  // namespace

Status check_measurable(const Graph& graph) {
  if (has_floats(graph.outputs(), graph)) return {};
  std::string found;
  for (ValueId v : graph.outputs())
    found += cat(found.empty() ? "'" : ", '", graph.at(v).name, "' ", to_string(graph.at(v).type));
  return unsupported("no output is f32, whose sqnr could be measured: ", found);
}

Result<OutputError> OutputError::against(const Graph& fp32, std::vector<std::vector<Tensor>> samples,
                                         std::span<const QuantValue> ranged) {
  OutputError error;
  error.counts_classes_ = !has_floats(fp32.outputs(), fp32);
  error.copies_ = copies_of_each(fp32, samples.size());
  for (const std::vector<Tensor>& sample : samples)
    for (int c = 0; c < error.copies_; ++c)
      error.samples_.push_back(weaker(sample, 1 - kContrastStep * static_cast<float>(c)));
  error.wanted_.resize(error.samples_.size());
  Graph graph = with_scores(fp32);
  for (ValueId output : graph.outputs()) error.features_.push_back(features_of(graph, output, ranged));
  error.places_ = show(graph, error.features_);
  QL_CHECK_OK(run_all(std::move(graph), error.samples_, [&](size_t i, const Outputs& outputs) -> Status {
    for (size_t k = 0; k < outputs.size(); ++k) {
      QL_TRY(Tensor copy, Tensor::allocate(outputs[k].type()));
      std::copy_n(outputs[k].as<std::byte>(), outputs[k].type().bytes(), static_cast<std::byte*>(copy.mutable_data()));
      error.wanted_[i].push_back(std::move(copy));
    }
    return {};
  }));
  return error;
}

Result<std::vector<double>> OutputError::sqnr_db(const Graph& quantized, std::span<const QuantValue> levels) const {
  Graph graph = with_scores(quantized);
  std::vector<const QuantValue*> features;  // null: floats
  std::vector<std::string> names;
  for (const std::string& name : features_) {
    const auto found =
        std::find_if(levels.begin(), levels.end(), [&](const auto& value) { return value.name == name; });
    features.push_back(found == levels.end() ? nullptr : &*found);
    names.push_back(features.back() ? bytes_of(name) : name);
  }
  const auto places = show(graph, names);
  std::vector<double> db(inputs(), 0.0);
  QL_CHECK_OK(run_all(std::move(graph), samples_, [&](size_t i, const Outputs& outputs) -> Status {
    const std::vector<Tensor>& wanted = wanted_[i];
    double sum = 0, count = 0;  // at least one
    for (size_t k = 0; k < features_.size(); ++k) {
      if (wanted[k].dtype() != DType::f32 && !counts_classes_) continue;
      if (counts_classes_)
        sum += agreement_db(outputs[k], wanted[k]);
      else if (!places[k])
        sum += sqnr_of(outputs[k], wanted[k]);
      else
        sum += sqnr_of(outputs[*places[k]], wanted[*places_[k]], features[k]);
      ++count;
    }
    db[i / static_cast<size_t>(copies_)] += sum / count / copies_;
    return {};
  }));
  return db;
}

}  // namespace quadlane::tools
