// One convolution in Quadlane, compiled and launched as in a network, timed without the edges of its little graph.
#pragma once

#include <string>
#include <vector>

#include "engine/api/engine.h"
#include "tools/cli/tensors.h"
#include "tools/peers/conv_layer.h"

namespace quadlane::bench {

class LayerCase {
 public:
  static Result<LayerCase> make(const peers::ConvLayer&, const ModelOptions& = {});

  // Seconds of the convolution and of what its strides and first-layer forms cost beside it; reading the caller's
  // tensor and writing it back is what neighbouring layers spare each other, and does not count.
  Result<double> run();
  std::string kernel() const;  // of the steps that count

 private:
  std::unique_ptr<Model> model_;
  std::unique_ptr<run::Stream> stream_;
  std::vector<Tensor> inputs_;
  tools::Outputs outputs_;
  std::vector<char> counts_;  // for each step
};

}  // namespace quadlane::bench
