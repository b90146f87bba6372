// How far a quantized graph's outputs lie from the fp32 graph's, on the kernels it will run on.
#pragma once

#include <span>
#include <vector>

#include "engine/base/tensor.h"
#include "graph/graph.h"

namespace quadlane::tools {

// An error that names an output of the graph where none is of floats; what a tail reads is among them.
Status check_measurable(const Graph&);

class OutputError {
 public:
  // Runs the fp32 graph on the samples and keeps its float outputs. Where the model's have shapes that depend on the
  // data, these are the values that they are made of.
  static Result<OutputError> against(const Graph& fp32, std::vector<std::vector<Tensor>> samples);

  // Of each sample 10 log10(signal / noise), averaged over the float outputs; an output without any error counts 200
  // dB.
  Result<std::vector<double>> sqnr_db(const Graph& quantized) const;
  size_t inputs() const { return samples_.size(); }

 private:
  std::vector<std::vector<Tensor>> samples_;
  std::vector<std::vector<Tensor>> wanted_;  // [sample][output]
};

}  // namespace quadlane::tools
