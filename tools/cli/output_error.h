// How far a quantized graph's outputs lie from the fp32 graph's, on the kernels it will run on.
#pragma once

#include <span>
#include <vector>

#include "engine/base/tensor.h"
#include "graph/graph.h"

namespace quadlane::tools {

// An error that names the outputs of the graph where none is of floats; what a tail reads is among them.
Status check_measurable(const Graph&);

class OutputError {
 public:
  // Runs the fp32 graph on the samples and keeps its outputs, scores instead of probabilities. Where the model's have
  // shapes that depend on the data, these are the values that they are made of.
  static Result<OutputError> against(const Graph& fp32, std::vector<std::vector<Tensor>> samples);

  // Of each sample 10 log10(signal / noise), averaged over the float outputs; an output without any error counts 200
  // dB. Where all outputs are integers, classes say: -10 log10(share of elements that differ), of none half an element.
  Result<std::vector<double>> sqnr_db(const Graph& quantized) const;
  size_t inputs() const { return samples_.size(); }
  bool counts_classes() const { return counts_classes_; }

 private:
  std::vector<std::vector<Tensor>> samples_;
  std::vector<std::vector<Tensor>> wanted_;  // [sample][output]
  bool counts_classes_ = false;
};

}  // namespace quadlane::tools
