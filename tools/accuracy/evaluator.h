// What a quantized network loses against fp32 on some inputs, on the kernels it will run on.
#pragma once

#include "graph/quant/keep_layers.h"
#include "tools/accuracy/drop_interval.h"
#include "tools/accuracy/labels.h"
#include "tools/accuracy/score.h"

namespace quadlane::tools {

class Evaluator {
 public:
  // Runs fp32 on the samples and keeps what it answers. Without labels fp32 is right by definition.
  static Result<Evaluator> against(const Graph& fp32, std::span<const Sample>, const CalibrationSource&, Metric,
                                   const Labels* labels);

  // drop: fp32's score minus this network's (sqnr: the noise itself); expected: of classes against fp32's; noise: of
  // the float output that has most. Where outputs have shapes that depend on the data, it is that of the values they
  // are made of.
  Result<NetworkLoss> loss(const Graph& quantized) const;
  // Of the drop on other inputs.
  Result<DropInterval> interval(const Graph& quantized) const;
  // Of a run of each on the first input, compiled without tuning: medians of rounds in which they run in turn.
  Result<std::vector<double>> ms_in_turn(std::span<const Graph>) const;
  double fp32_score() const { return fp32_score_; }
  size_t inputs() const { return cases_.size(); }

  // Shows every input with the first output of fp32 and of this network.
  using Show =
      std::function<Status(const std::string& name, const Tensor& input, const Tensor& fp32, const Tensor& int8)>;
  Status compare(const Graph& quantized, const Show&) const;
  // The share of elements whose class differs between two outputs; 0 where the metric knows no classes.
  double changed(const Tensor& a, const Tensor& b) const;
  Metric metric() const { return metric_; }
  float threshold() const { return threshold_; }

 private:
  struct Case {
    std::string name;
    std::vector<Tensor> inputs;
    std::vector<Tensor> fp32;  // the graph's outputs: in front of a tail where there is one
    Tensor answer;             // the model's first output, which classes are read from
    Classes wanted;
    std::vector<Detection> boxes;  // wanted
  };
  // Completes the case by what is wanted of a network, and counts how fp32 fares with its answers.
  Status add(const Sample&, Case, std::span<const Tensor> answers, const Labels*);
  Result<Score> score_of(const Case&, std::span<const Tensor> outputs, std::span<const Tensor> answers) const;
  Result<std::vector<Score>> scores(const Graph& quantized) const;  // of each case

  Metric metric_ = Metric::sqnr;
  bool labelled_ = false;
  float threshold_ = 0;  // this and the form: as the first answers of fp32 have it
  BoxForm form_;
  std::vector<Case> cases_;
  std::vector<Score> own_;  // fp32's, of each case
  double fp32_score_ = 1;
};

}  // namespace quadlane::tools
