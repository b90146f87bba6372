// Small random networks for tests: dense U-Nets and residual networks in post-activation order (conv -> BN -> ReLU) and
// pre-activation order (BN -> ReLU -> conv), with weights of unit gain, batch norms of both signs, strides, groups,
// dilations, channel counts that fill no quad, and one of several up-samplings. Deterministic in the seed.
#pragma once

#include <random>

#include "graph/op_table.h"

namespace quadlane {

// Adds operators with random weights to a graph. A failure is a mistake in the test and ends it (std::abort).
class RandomBuilder {
 public:
  RandomBuilder(const OpTable& ops, uint32_t seed) : ops_(ops), random_(seed) {}

  Graph graph;

  ValueId input(Shape shape, std::string name = "image");
  ValueId constant(const Shape&, float lo, float hi);
  // Weights are normal with variance 2 / fan-in; `bias` adds one.
  ValueId conv(ValueId x, int64_t channels, int64_t kernel, int64_t stride = 1, int64_t group = 1, int64_t dilation = 1,
               bool bias = false);
  ValueId conv_transpose(ValueId x, int64_t channels, int64_t kernel, int64_t stride);
  // Scales of either sign (one of six negative), statistics near those of a normalized value.
  ValueId batch_norm(ValueId x);
  ValueId relu(ValueId x) { return op("Relu", {x}); }
  ValueId max_pool(ValueId x, int64_t kernel, int64_t stride, int64_t pad = 0);
  ValueId average_pool(ValueId x, int64_t kernel, int64_t stride, int64_t pad, bool count_padding);
  ValueId resize(ValueId x, int64_t times, const char* mode, const char* coordinates);
  ValueId concat(std::vector<ValueId> parts);
  ValueId op(const char* name, std::vector<ValueId> inputs, Attrs attrs = {});

  int64_t channels(ValueId v) const { return graph[v].type.shape[1]; }
  int64_t pick(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random_); }
  bool chance(double p) { return std::bernoulli_distribution(p)(random_); }
  std::mt19937& random() { return random_; }

 private:
  ValueId normal(const Shape&, float deviation);
  const OpTable& ops_;
  std::mt19937 random_;
};

struct RandomGraphOptions {
  bool pre_activation = false;
  int64_t size = 16;  // rows and columns of the input
  int64_t batch = 1;
};
Graph random_dense_unet(const OpTable&, uint32_t seed, const RandomGraphOptions& = {});
Graph random_resnet(const OpTable&, uint32_t seed, const RandomGraphOptions& = {});

// Normal values for every input of the graph.
std::vector<Tensor> random_inputs(const Graph&, uint32_t seed);

}  // namespace quadlane
