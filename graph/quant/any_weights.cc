#include "graph/quant/any_weights.h"

#include <algorithm>
#include <cmath>

#include "graph/passes/rewrite.h"
#include "graph/quant/adaptive_rounding.h"
#include "graph/quant/kernel_rounding.h"

namespace quadlane {
namespace {

// How a weight tensor [rows][columns][taps] lies: [O, I / group, ...] of a convolution, [I, O / group, ...] of a
// transposed one, [I, O] of a product or [O, I].
struct Layout {
  const Node& node;
  size_t rows, columns, taps, groups;
  bool outputs_first;

  Layout(const Node& n, const Shape& shape)
      : node(n),
        rows(static_cast<size_t>(shape[0])),
        columns(static_cast<size_t>(shape[1])),
        taps(1),
        groups(static_cast<size_t>(n.attrs.int_or("group", 1))),
        outputs_first(n.op == "Conv" || n.attrs.int_or("transB", 0) != 0) {
    for (size_t axis = 2; axis < shape.size(); ++axis) taps *= static_cast<size_t>(shape[axis]);
  }
  size_t axis() const { return outputs_first ? 0 : 1; }
  size_t channels() const { return outputs_first ? rows : columns; }
  size_t channel(size_t i) const { return outputs_first ? i / taps / columns : i / taps % columns; }
  size_t output(size_t i) const { return outputs_first ? i / taps / columns : across(i); }
  size_t input(size_t i) const { return outputs_first ? across(i) : i / taps / columns; }
  // The weights whose sum rounding keeps: taps that reach one pixel, of one input and output; a product's whole column.
  size_t kernel() const {
    if (is_one_of(node.op, {"MatMul", "Gemm"})) return outputs_first ? columns : rows;
    return outputs_first ? taps : 1;
  }
  // Where weight i lies when those are neighbours.
  size_t place(size_t i) const { return outputs_first || kernel() == 1 ? i : i % columns * rows + i / columns; }
  // How many of the output pixels a tap reaches, on average.
  double share() const {
    double share = 1;
    if (node.op == "ConvTranspose")
      for (int64_t stride : node.attrs.ints_or("strides", {})) share /= static_cast<double>(stride);
    return share;
  }

 private:
  size_t across(size_t i) const { return i / taps / columns / (rows / groups) * columns + i / taps % columns; }
};

}  // namespace

RoundedWeights round_weights(const Graph& g, const Node& node, float input_scale, std::span<const double> means,
                             const LayerMoments* moments, const ParallelFor& parallel) {
  const Tensor& weights = *g.constant(node.input(1));
  const Layout layout(node, weights.shape());
  std::span<const float> w = weights.span<float>();
  RoundedWeights result;
  result.axis = static_cast<int64_t>(layout.axis());
  result.bias = floats_of(g, node.input(2));
  result.scale.assign(layout.channels(), 1e-12f);
  auto at_least = [&](size_t channel, double scale) {
    float& s = result.scale[channel];
    s = std::max(s, static_cast<float>(scale));
  };
  if (input_scale > 0)
    for (size_t o = 0; o < result.bias.size(); ++o)
      at_least(o % layout.channels(), std::abs(result.bias[o]) / input_scale / (1 << 30));
  for (size_t i = 0; i < w.size(); ++i) at_least(layout.channel(i), std::abs(w[i]) / kLargestWeight);
  std::vector<double> exact(w.size());
  for (size_t i = 0; i < w.size(); ++i) exact[layout.place(i)] = double{w[i]} / result.scale[layout.channel(i)];
  std::vector<int8_t> placed = round_kernels(exact, layout.kernel());
  // Moments are of convolutions, whose weights lie as they are. Input channels have one scale, so any will do.
  if (moments)
    round_adaptively(exact, std::vector<double>(layout.columns * layout.groups, 1), *moments, placed, parallel);
  std::vector<int8_t> rounded(w.size());
  for (size_t i = 0; i < w.size(); ++i) rounded[i] = placed[layout.place(i)];
  result.weights = Tensor::from<int8_t>(weights.shape(), rounded);
  if (means.empty()) return result;
  result.bias.resize(layout.channels() * (layout.outputs_first ? 1 : layout.groups), 0);
  for (size_t i = 0; i < w.size(); ++i)
    result.bias[layout.output(i)] -= layout.share() * (rounded[i] - exact[layout.place(i)]) *
                                     result.scale[layout.channel(i)] * means[layout.input(i)];
  return result;
}

}  // namespace quadlane
