// How far a quantized graph's outputs lie from the fp32 graph's, on the kernels it will run on.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/tensor.h"
#include "graph/quant/quantize.h"

namespace quadlane::tools {

// An error that names the outputs of the graph where none is of floats; what a tail reads is among them.
Status check_measurable(const Graph&);

class OutputError {
 public:
  // Runs the fp32 graph on the samples and keeps its outputs, scores instead of probabilities. Where the model's have
  // shapes that depend on the data, these are the values that they are made of. `ranged`: those stored as bytes.
  static Result<OutputError> against(const Graph& fp32, std::vector<std::vector<Tensor>> samples,
                                     std::span<const QuantValue> ranged);

  // Of each sample 10 log10(signal / noise), averaged over the float outputs; an output without any error counts 200
  // dB. Of outputs of few elements the features behind them count (features.h), which have these levels. Where all
  // outputs are integers, classes say: -10 log10(share of elements that differ), of none half an element. Few samples
  // are judged by copies with a little less contrast each, too: rounding falls differently in each, and the mean says
  // more.
  Result<std::vector<double>> sqnr_db(const Graph& quantized, std::span<const QuantValue> levels) const;
  size_t inputs() const { return samples_.size() / static_cast<size_t>(copies_); }
  bool counts_classes() const { return counts_classes_; }

 private:
  std::vector<std::vector<Tensor>> samples_;   // copies of one behind each other
  std::vector<std::vector<Tensor>> wanted_;    // [sample][output, then features]
  std::vector<std::string> features_;          // of each output their name; empty: it is enough itself
  std::vector<std::optional<size_t>> places_;  // of the features in wanted_[sample]
  bool counts_classes_ = false;
  int copies_ = 1;  // of each sample
};

}  // namespace quadlane::tools
