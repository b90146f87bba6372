#include "tools/accuracy/evaluator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "engine/api/engine.h"
#include "engine/run/topology.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

constexpr size_t kMaxBytes = size_t{512} << 20;  // of inputs and outputs held

// A network ready to run, one request after the other.
struct Runner {
  run::Stream stream;
  Outputs outputs;

  static Result<Runner> make(const Graph& graph) {
    ModelOptions options;
    options.tune = false;  // timing candidates takes longer than running the samples
    QL_TRY(Model model, Model::from_graph(graph, options));
    for (const run::TensorInfo& info : model.outputs())
      if (info.dynamic) return unsupported("output '", info.name, "' has a shape that depends on the data");
    QL_TRY(run::Stream stream, model.open_stream({.threads = run::detect_topology().usable_threads()}));
    QL_TRY(Outputs outputs, Outputs::allocate(model.outputs()));
    return Runner{std::move(stream), std::move(outputs)};
  }
  Status run(std::span<const Tensor> inputs) { return stream.run(views_of(inputs), outputs.views()); }
};

Result<Tensor> copy_of(const Tensor& t) {
  QL_TRY(Tensor copy, Tensor::allocate(t.type()));
  std::memcpy(copy.mutable_data(), t.as<std::byte>(), t.type().bytes());
  return copy;
}

bool any_float(std::span<const Tensor> outputs) {
  return std::any_of(outputs.begin(), outputs.end(), [](const Tensor& t) { return t.dtype() == DType::f32; });
}

struct Power {
  double signal = 0, noise = 0;
  void add(const Tensor& wanted, const Tensor& got) {
    if (wanted.dtype() != DType::f32) return;
    for (int64_t i = 0; i < wanted.count(); ++i) {
      const double w = wanted.as<float>()[i], d = got.as<float>()[i] - w;
      signal += w * w;
      noise += d * d;
    }
  }
  double share() const {
    if (!std::isfinite(signal) || !std::isfinite(noise)) return HUGE_VAL;
    return signal > 0 ? noise / signal : noise > 0 ? HUGE_VAL : 0;
  }
};

}  // namespace

Status Evaluator::add(const Sample& sample, std::vector<Tensor> inputs, std::span<const Tensor> fp32,
                      const Labels* labels, TaskScore& own, BoxScore& own_boxes) {
  Case c{sample.name(), std::move(inputs), {}, {}, {}};
  for (const Tensor& output : fp32) {
    QL_TRY(c.fp32.emplace_back(), copy_of(output));
  }
  if (metric_ == Metric::map) {
    QL_TRY(std::vector<Detection> found, detections_of(fp32));
    c.boxes = confident(found);
    if (labels) {
      QL_TRY(c.boxes, labels->boxes_of(sample));
    }
    own_boxes.add(found, c.boxes);
  } else if (metric_ != Metric::sqnr) {
    QL_TRY(Classes answered, classes_of(metric_, c.fp32[0], threshold_));
    if (labels) {
      QL_TRY(c.wanted, labels->of(sample, answered.size()));
    } else {
      c.wanted = answered;
    }
    own.add(answered, c.wanted);
  }
  cases_.push_back(std::move(c));
  return {};
}

Result<Evaluator> Evaluator::against(const Graph& fp32, std::span<const Sample> samples,
                                     const CalibrationSource& source, Metric metric, const Labels* labels) {
  QL_TRY(Runner runner, Runner::make(fp32));
  Evaluator evaluator;
  evaluator.metric_ = metric;
  TaskScore own(metric);
  BoxScore own_boxes;
  size_t bytes = 0;
  for (const Sample& sample : samples) {
    QL_TRY(auto read, read_samples(sample, fp32, source));
    if (labels && read.size() > 1)
      return invalid_argument(sample.name(), " holds ", read.size(), " inputs, labels are for files of one");
    for (std::vector<Tensor>& inputs : read) {
      QL_CHECK_OK(runner.run(inputs).context(sample.name()));
      if (metric == Metric::sqnr && !any_float(runner.outputs.tensors()))
        return unsupported("sqnr of an output of ", to_string(runner.outputs[0].dtype()),
                           ", expected f32: another --metric?");
      if (evaluator.cases_.empty()) evaluator.threshold_ = threshold_of(runner.outputs[0]);
      for (const Tensor& output : runner.outputs.tensors()) bytes += output.type().bytes();
      for (const Tensor& input : inputs) bytes += input.type().bytes();
      QL_CHECK_OK(evaluator.add(sample, std::move(inputs), runner.outputs.tensors(), labels, own, own_boxes));
    }
    if (bytes > kMaxBytes) break;
  }
  evaluator.fp32_score_ = metric == Metric::map ? own_boxes.value() : own.value();
  return evaluator;
}

Result<NetworkLoss> Evaluator::loss(const Graph& quantized) const {
  QL_TRY(Runner runner, Runner::make(quantized));
  TaskScore score(metric_);
  BoxScore boxes;
  std::vector<Power> powers;  // of each output
  std::vector<double> ms;
  for (const Case& c : cases_) {
    const auto start = std::chrono::steady_clock::now();
    QL_CHECK_OK(runner.run(c.inputs).context(c.name));
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    powers.resize(c.fp32.size());
    for (size_t i = 0; i < powers.size(); ++i) powers[i].add(c.fp32[i], runner.outputs[i]);
    if (metric_ == Metric::sqnr) continue;
    if (metric_ == Metric::map) {
      QL_TRY(std::vector<Detection> found, detections_of(runner.outputs.tensors()));
      boxes.add(found, c.boxes);
      continue;
    }
    QL_TRY(Classes answered, classes_of(metric_, runner.outputs[0], threshold_));
    score.add(answered, c.wanted);
  }
  std::nth_element(ms.begin(), ms.begin() + static_cast<ptrdiff_t>(ms.size() / 2), ms.end());
  const double own = metric_ == Metric::map ? boxes.value() : score.value();
  double noise = 0;
  for (const Power& power : powers) noise = std::max(noise, power.share());
  const double drop = metric_ == Metric::sqnr ? noise : fp32_score_ - own;
  return NetworkLoss{drop, noise, ms.empty() ? 0 : ms[ms.size() / 2]};
}

Status Evaluator::compare(const Graph& quantized, const Show& show) const {
  QL_TRY(Runner runner, Runner::make(quantized));
  for (const Case& c : cases_) {
    QL_CHECK_OK(runner.run(c.inputs).context(c.name));
    QL_CHECK_OK(show(c.name, c.inputs[0], c.fp32[0], runner.outputs[0]));
  }
  return {};
}

double Evaluator::changed(const Tensor& a, const Tensor& b) const {
  if (metric_ == Metric::sqnr || metric_ == Metric::map) return 0;
  auto x = classes_of(metric_, a, threshold_), y = classes_of(metric_, b, threshold_);
  if (!x.ok() || !y.ok() || x->empty()) return 0;
  size_t differ = 0;
  for (size_t i = 0; i < x->size(); ++i) differ += (*x)[i] != (*y)[i];
  return static_cast<double>(differ) / static_cast<double>(x->size());
}

}  // namespace quadlane::tools
