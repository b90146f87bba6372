#include "tools/accuracy/evaluator.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "engine/api/engine.h"
#include "engine/run/topology.h"
#include "graph/tail.h"
#include "tools/cli/output_error.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

constexpr size_t kMaxBytes = size_t{512} << 20;        // of inputs and outputs held
constexpr size_t kFewestRounds = 3, kMostRounds = 25;  // of timing
constexpr double kMostMs = 1000;

// A network ready to run, one request after the other.
struct Runner {
  run::Stream stream;
  Outputs outputs;  // of the graph; what a tail reads is among them
  std::shared_ptr<const Tail> tail;
  std::vector<Tensor> answers;  // the model's outputs

  static Result<Runner> make(Graph graph) {
    std::shared_ptr<const Tail> tail = std::exchange(graph.tail, nullptr);
    ModelOptions options;
    options.tune = false;  // timing candidates takes longer than running the samples
    QL_TRY(Model model, Model::from_graph(std::move(graph), options));
    QL_TRY(run::Stream stream, model.open_stream({.threads = run::detect_topology().usable_threads()}));
    QL_TRY(Outputs outputs, Outputs::allocate(model.outputs()));
    return Runner{std::move(stream), std::move(outputs), std::move(tail), {}};
  }
  Status run(std::span<const Tensor> inputs) {
    QL_CHECK_OK(stream.run(views_of(inputs), outputs.views()));
    if (!tail) {
      answers.assign(outputs.tensors().begin(), outputs.tensors().end());
      return {};
    }
    QL_TRY(answers, tail->run(views_of(outputs.tensors())));
    for (size_t i = 0; i < answers.size(); ++i)
      if (auto same = tail->outputs()[i].graph_output) answers[i] = outputs[*same];
    return {};
  }
};

Result<Tensor> copy_of(const Tensor& t) {
  QL_TRY(Tensor copy, Tensor::allocate(t.type()));
  std::memcpy(copy.mutable_data(), t.as<std::byte>(), t.type().bytes());
  return copy;
}

Score total(std::span<const Score> scores, Metric metric) {
  Score sum(metric);
  for (const Score& score : scores) sum += score;
  return sum;
}

}  // namespace

Status Evaluator::add(const Sample& sample, Case c, std::span<const Tensor> answers, const Labels* labels) {
  if (metric_ == Metric::map) {
    if (cases_.empty()) {
      QL_TRY(form_, box_form(answers));
    }
    c.boxes = confident(detections_of(answers, form_));
    if (labels) {
      QL_TRY(c.boxes, labels->boxes_of(sample, form_.classes));
    }
  } else if (metric_ != Metric::sqnr) {
    if (cases_.empty()) threshold_ = threshold_of(c.answer);
    if (labels) {
      QL_TRY(const LabelForm form, label_form(metric_, c.answer));
      QL_TRY(c.wanted, labels->of(sample, form));
    } else {
      QL_TRY(c.wanted, classes_of(metric_, c.answer, threshold_));
    }
  }
  QL_TRY(Score own, score_of(c, c.fp32, answers));
  own_.push_back(std::move(own));
  cases_.push_back(std::move(c));
  return {};
}

Result<Score> Evaluator::score_of(const Case& c, std::span<const Tensor> outputs,
                                  std::span<const Tensor> answers) const {
  Score score(metric_);
  score.powers.resize(c.fp32.size());
  for (size_t i = 0; i < c.fp32.size(); ++i) score.powers[i].add(c.fp32[i], outputs[i]);
  if (metric_ == Metric::map) {
    score.boxes.add(detections_of(answers, form_), c.boxes);
  } else if (metric_ != Metric::sqnr) {
    QL_TRY(Classes answered, classes_of(metric_, answers[0], threshold_));
    score.task.add(answered, c.wanted);
    if (metric_ == Metric::top1 && !labelled_) score.margins.add(c.answer, answers[0], threshold_);
  }
  return score;
}

Result<Evaluator> Evaluator::against(const Graph& fp32, std::span<const Sample> samples,
                                     const CalibrationSource& source, Metric metric, const Labels* labels) {
  if (metric == Metric::sqnr) QL_CHECK_OK(check_measurable(fp32));
  QL_TRY(Runner runner, Runner::make(fp32));
  Evaluator evaluator;
  evaluator.metric_ = metric;
  evaluator.labelled_ = labels != nullptr;
  size_t bytes = 0;
  for (const Sample& sample : samples) {
    QL_TRY(auto read, read_samples(sample, fp32, source));
    if (labels && read.size() > 1)
      return invalid_argument(sample.name(), " holds ", read.size(), " inputs, labels are for files of one");
    for (std::vector<Tensor>& inputs : read) {
      QL_CHECK_OK(runner.run(inputs).context(sample.name()));
      Case c{sample.name(), std::move(inputs), {}, {}, {}, {}};
      for (const Tensor& output : runner.outputs.tensors()) {
        QL_TRY(c.fp32.emplace_back(), copy_of(output));
        bytes += output.type().bytes();
      }
      for (const Tensor& input : c.inputs) bytes += input.type().bytes();
      c.answer = c.fp32[0];
      if (runner.tail) {
        QL_TRY(c.answer, copy_of(runner.answers[0]));
      }
      QL_CHECK_OK(evaluator.add(sample, std::move(c), runner.answers, labels));
    }
    if (bytes > kMaxBytes) break;
  }
  evaluator.fp32_score_ = total(evaluator.own_, metric).value();
  return evaluator;
}

Result<std::vector<Score>> Evaluator::scores(const Graph& quantized) const {
  QL_TRY(Runner runner, Runner::make(quantized));
  std::vector<Score> scores;
  for (const Case& c : cases_) {
    QL_CHECK_OK(runner.run(c.inputs).context(c.name));
    QL_TRY(Score one, score_of(c, runner.outputs.tensors(), runner.answers));
    scores.push_back(std::move(one));
  }
  return scores;
}

Result<NetworkLoss> Evaluator::loss(const Graph& quantized) const {
  QL_TRY(const std::vector<Score> all, scores(quantized));
  const Score score = total(all, metric_);
  NetworkLoss loss{metric_ == Metric::sqnr ? score.noise() : fp32_score_ - score.value(), score.noise(), {}};
  if (metric_ == Metric::top1 && !labelled_) loss.expected = score.margins.expected_changes();
  return loss;
}

Result<DropInterval> Evaluator::interval(const Graph& quantized) const {
  QL_TRY(const std::vector<Score> all, scores(quantized));
  return drop_interval(own_, all);
}

Result<std::vector<double>> Evaluator::ms_in_turn(std::span<const Graph> graphs) const {
  std::vector<Runner> runners;
  for (const Graph& graph : graphs) {
    QL_TRY(Runner runner, Runner::make(graph));
    runners.push_back(std::move(runner));
  }
  std::vector<std::vector<double>> ms(graphs.size());
  double spent = 0;
  for (size_t round = 0; round <= kMostRounds && (round <= kFewestRounds || spent < kMostMs); ++round)
    for (size_t i = 0; i < runners.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      QL_CHECK_OK(runners[i].run(cases_[0].inputs).context(cases_[0].name));
      const double took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
      spent += took;
      if (round > 0) ms[i].push_back(took);  // the first warms up
    }
  std::vector<double> medians;
  for (std::vector<double>& all : ms) {
    std::nth_element(all.begin(), all.begin() + static_cast<ptrdiff_t>(all.size() / 2), all.end());
    medians.push_back(all[all.size() / 2]);
  }
  return medians;
}

Status Evaluator::compare(const Graph& quantized, const Show& show) const {
  QL_TRY(Runner runner, Runner::make(quantized));
  for (const Case& c : cases_) {
    QL_CHECK_OK(runner.run(c.inputs).context(c.name));
    QL_CHECK_OK(show(c.name, c.inputs[0], c.answer, runner.answers[0]));
  }
  return {};
}

double Evaluator::changed(const Tensor& a, const Tensor& b) const {
  if (metric_ == Metric::sqnr || metric_ == Metric::map) return 0;
  auto x = classes_of(metric_, a, threshold_), y = classes_of(metric_, b, threshold_);
  if (!x.ok() || !y.ok() || x->empty()) return 0;
  size_t differ = 0;
  for (size_t i = 0; i < x->size(); ++i) differ += i >= y->size() || (*x)[i] != (*y)[i];
  return static_cast<double>(differ) / static_cast<double>(x->size());
}

}  // namespace quadlane::tools
