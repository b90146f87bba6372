// How the inputs of a convolution vary together: the covariance of the elements under its kernel, in fp32.
//
// A patch is what one output pixel reads: x[c][kh][kw] of the channels of its group, zeros in the padding. Of every
// calibration input some patches are taken at positions that depend on the input's number only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/passes/rewrite.h"

namespace quadlane {

// Sums over patches, for each group of channels.
struct LayerMoments {
  size_t groups = 0, length = 0;  // length: elements of a patch
  double patches = 0;
  std::vector<float> products;  // [group][length][length]: sum x x^T
  std::vector<double> sums;     // [group][length]

  double mean(size_t group, size_t i) const { return sums[group * length + i] / patches; }
  // Element (i, j) of the covariance matrix.
  double covariance(size_t group, size_t i, size_t j) const;
};

class InputMoments {
 public:
  // X^T X of [rows][length]: a matrix product of the engine's, or plain loops.
  using Gram = std::function<Status(std::span<const float> rows, size_t length, std::span<float> product)>;

  // For `samples` calibration inputs in all. Layers whose matrices would take more than `max_bytes` together are left
  // out, the largest first.
  InputMoments(const Graph&, size_t samples, Gram, size_t max_bytes = size_t{1} << 30);

  // A value of the graph as the next calibration input has it; any value may be shown.
  Status observe(ValueId, const Tensor&);
  void next_sample() { ++sample_; }

  const LayerMoments* find(const std::string& conv) const;
  size_t layers() const { return layers_.size(); }

 private:
  struct Reader {
    std::string name;
    Window2d window;
    Shape output;
    size_t patches(size_t length, size_t samples) const;  // of one input
  };

  Gram gram_;
  size_t samples_, sample_ = 0;
  std::map<ValueId, std::vector<Reader>> readers_;
  std::map<std::string, LayerMoments> layers_;
};

}  // namespace quadlane
