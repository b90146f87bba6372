// One layer in Quadlane, compiled and launched as in a network, timed without the edges of its little graph.
#pragma once

#include <string>
#include <vector>

#include "engine/api/engine.h"
#include "tools/cli/tensors.h"
#include "tools/peers/conv_layer.h"

namespace quadlane::tools {

class LayerCase {
 public:
  static Result<LayerCase> make(const peers::ConvLayer&, const ModelOptions& = {});
  // With `only`, the steps of that operator ("split phases", "pack") instead of the layer.
  static Result<LayerCase> make(Graph, const ModelOptions& = {}, const std::string& only = {});

  // Seconds of the layer and of what strides and first-layer forms cost beside a convolution; reading the caller's
  // tensor and writing it back is what neighbouring layers spare each other, and does not count.
  Result<double> run();
  // The same after `sweep`, which is called when the input lies in its planes, and may push it out of the caches.
  Result<double> run_cold(const std::function<void()>& sweep);
  std::vector<const run::StepInfo*> steps() const;  // those that count
  std::string kernel() const;                       // theirs
  const Tensor& input() const { return inputs_[0]; }
  const Tensor& output() const { return outputs_[0]; }  // of the last run
  const Model& model() const { return *model_; }

 private:
  std::unique_ptr<Model> model_;
  std::unique_ptr<run::Stream> stream_;
  std::vector<Tensor> inputs_;
  Outputs outputs_;
  std::vector<char> counts_;  // for each step
};

}  // namespace quadlane::tools
