#include "tests/support/random_graph.h"

#include <cmath>
#include <cstdlib>
#include <iostream>

namespace quadlane {
namespace {

constexpr double kNegativeScale = 1.0 / 6;

std::vector<float> normal_values(std::mt19937& random, int64_t count, float deviation) {
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

// conv -> BN -> ReLU or BN -> ReLU -> conv.
ValueId unit(RandomBuilder& b, ValueId x, int64_t channels, int64_t kernel, bool pre, int64_t stride = 1) {
  int64_t dilation = kernel == 3 && stride == 1 && b.chance(0.2) ? 2 : 1;
  if (pre) return b.conv(b.relu(b.batch_norm(x)), channels, kernel, stride, 1, dilation);
  return b.relu(b.batch_norm(b.conv(x, channels, kernel, stride, 1, dilation, b.chance(0.5))));
}

ValueId dense_block(RandomBuilder& b, ValueId x, bool pre) {
  int64_t layers = b.pick(2, 3), growth = b.pick(3, 8);
  for (int64_t i = 0; i < layers; ++i) x = b.concat({x, unit(b, x, growth, 3, pre)});
  return x;
}

ValueId upsample(RandomBuilder& b, ValueId x) {
  switch (b.pick(0, 3)) {
    case 0: return b.resize(x, 2, "linear", "half_pixel");
    case 1: return b.resize(x, 2, "nearest", "asymmetric");
    case 2: return b.resize(x, 2, "linear", "align_corners");
    default: return b.conv_transpose(x, b.channels(x), 2, 2);
  }
}

}  // namespace

ValueId RandomBuilder::op(const char* name, std::vector<ValueId> inputs, Attrs attrs) {
  Result<ValueId> result =
      add_op(graph, ops_, Node{cat(name, graph.value_capacity()), name, std::move(attrs), std::move(inputs)});
  if (result.ok()) return *result;
  std::cerr << "random graph: " << result.error().text() << '\n';
  std::abort();
}

ValueId RandomBuilder::input(Shape shape, std::string name) {
  return graph.add_input(std::move(name), {DType::f32, std::move(shape)});
}

ValueId RandomBuilder::constant(const Shape& shape, float lo, float hi) {
  std::uniform_real_distribution<float> uniform(lo, hi);
  std::vector<float> values(static_cast<size_t>(elements(shape)));
  for (float& v : values) v = uniform(random_);
  return graph.add_constant("c", Tensor::from<float>(shape, values));
}

ValueId RandomBuilder::normal(const Shape& shape, float deviation) {
  return graph.add_constant("w", Tensor::from<float>(shape, normal_values(random_, elements(shape), deviation)));
}

ValueId RandomBuilder::conv(ValueId x, int64_t channels, int64_t kernel, int64_t stride, int64_t group,
                            int64_t dilation, bool bias) {
  Shape w{channels, this->channels(x) / group, kernel, kernel};
  std::vector<ValueId> inputs{x, normal(w, std::sqrt(2.0f / static_cast<float>(w[1] * kernel * kernel)))};
  if (bias) inputs.push_back(constant({channels}, -0.5f, 0.5f));
  Attrs attrs;
  int64_t pad = dilation * (kernel - 1) / 2;
  attrs.set("strides", std::vector<int64_t>{stride, stride});
  attrs.set("dilations", std::vector<int64_t>{dilation, dilation});
  attrs.set("pads", std::vector<int64_t>(4, pad));
  attrs.set("group", group);
  return op("Conv", std::move(inputs), std::move(attrs));
}

ValueId RandomBuilder::conv_transpose(ValueId x, int64_t channels, int64_t kernel, int64_t stride) {
  Shape w{this->channels(x), channels, kernel, kernel};
  Attrs attrs;
  attrs.set("strides", std::vector<int64_t>{stride, stride});
  ValueId weights = normal(w, std::sqrt(2.0f / static_cast<float>(w[0])));
  return op("ConvTranspose", {x, weights, constant({channels}, -0.5f, 0.5f)}, std::move(attrs));
}

ValueId RandomBuilder::batch_norm(ValueId x) {
  int64_t c = channels(x);
  std::vector<float> scale(static_cast<size_t>(c));
  std::uniform_real_distribution<float> size(0.3f, 1.5f);
  for (float& s : scale) s = chance(kNegativeScale) ? -size(random_) : size(random_);
  ValueId gamma = graph.add_constant("scale", Tensor::from<float>({c}, scale));
  return op("BatchNormalization",
            {x, gamma, constant({c}, -0.5f, 0.5f), constant({c}, -0.3f, 0.3f), constant({c}, 0.5f, 2.0f)});
}

ValueId RandomBuilder::max_pool(ValueId x, int64_t kernel, int64_t stride, int64_t pad) {
  Attrs attrs;
  attrs.set("kernel_shape", std::vector<int64_t>{kernel, kernel});
  attrs.set("strides", std::vector<int64_t>{stride, stride});
  attrs.set("pads", std::vector<int64_t>(4, pad));
  return op("MaxPool", {x}, std::move(attrs));
}

ValueId RandomBuilder::average_pool(ValueId x, int64_t kernel, int64_t stride, int64_t pad, bool count_padding) {
  Attrs attrs;
  attrs.set("kernel_shape", std::vector<int64_t>{kernel, kernel});
  attrs.set("strides", std::vector<int64_t>{stride, stride});
  attrs.set("pads", std::vector<int64_t>(4, pad));
  attrs.set("count_include_pad", int64_t{count_padding});
  return op("AveragePool", {x}, std::move(attrs));
}

ValueId RandomBuilder::resize(ValueId x, int64_t times, const char* mode, const char* coordinates) {
  Attrs attrs;
  attrs.set("mode", std::string(mode));
  attrs.set("coordinate_transformation_mode", std::string(coordinates));
  attrs.set("nearest_mode", std::string("floor"));
  float t = static_cast<float>(times);
  ValueId scales = graph.add_constant("scales", Tensor::from<float>({4}, std::vector<float>{1, 1, t, t}));
  return op("Resize", {x, kNoValue, scales}, std::move(attrs));
}

ValueId RandomBuilder::concat(std::vector<ValueId> parts) {
  Attrs attrs;
  attrs.set("axis", int64_t{1});
  return op("Concat", std::move(parts), std::move(attrs));
}

Graph random_dense_unet(const OpTable& ops, uint32_t seed, const RandomGraphOptions& options) {
  RandomBuilder b(ops, seed);
  bool pre = options.pre_activation;
  ValueId x =
      b.conv(b.input({options.batch, b.pick(1, 3), options.size, options.size}), b.pick(4, 9), 3, 1, 1, 1, true);
  if (!pre) x = b.relu(x);
  x = dense_block(b, x, pre);
  ValueId skip = x;
  x = unit(b, x, b.pick(4, 10), 1, pre);
  x = b.chance(0.7) ? b.max_pool(x, 2, 2) : b.average_pool(x, 2, 2, 0, false);
  x = dense_block(b, x, pre);
  x = upsample(b, unit(b, x, b.pick(4, 10), 1, pre));
  x = dense_block(b, b.concat({x, skip}), pre);
  if (pre) x = b.relu(b.batch_norm(x));
  b.graph.set_outputs({b.conv(x, 4, 1, 1, 1, 1, true)});
  return std::move(b.graph);
}

Graph random_resnet(const OpTable& ops, uint32_t seed, const RandomGraphOptions& options) {
  RandomBuilder b(ops, seed);
  bool pre = options.pre_activation;
  ValueId x = b.conv(b.input({options.batch, 3, options.size, options.size}), b.pick(5, 12), 3, 1, 1, 1, true);
  if (!pre) x = b.max_pool(b.relu(x), 3, 2, 1);
  for (int64_t block = 0, blocks = b.pick(2, 3); block < blocks; ++block) {
    int64_t stride = block == 1 ? 2 : 1, channels = stride == 2 ? b.channels(x) + b.pick(1, 6) : b.channels(x);
    ValueId shortcut = stride == 2 ? b.conv(x, channels, 1, stride) : x;
    if (pre) {
      x = unit(b, unit(b, x, channels, 3, true, stride), channels, 3, true);
      x = b.op("Add", {x, shortcut});
    } else {
      x = unit(b, x, channels, 3, false, stride);
      x = b.relu(b.op("Add", {b.batch_norm(b.conv(x, channels, 3)), shortcut}));
    }
  }
  int64_t channels = b.channels(x);
  x = b.relu(b.batch_norm(b.conv(x, channels, 3, 1, channels)));  // depthwise
  x = b.op("GlobalAveragePool", {x});
  b.graph.set_outputs({b.conv(x, 10, 1, 1, 1, 1, true)});
  return std::move(b.graph);
}

std::vector<Tensor> random_inputs(const Graph& g, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Tensor> inputs;
  for (ValueId v : g.inputs())
    inputs.push_back(Tensor::from<float>(g[v].type.shape, normal_values(random, g[v].type.count(), 1)));
  return inputs;
}

}  // namespace quadlane
