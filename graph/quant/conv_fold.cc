// For input channel c with bytes q, x = low + s q, and the network's factor a and threshold t (0 where there is none):
//   a (max(x, t) - t)  ~  a s (max(q, zero) - zero) + a (t' - t) P(live)        zero = the level nearest to t
// with t' = low + s zero. The second term is a mean, exact where the channel is always live, and 0 where t is whole. So
// w' = w a s is quantized for each output channel, and the constants of all channels and taps go into the bias. With
// the means of the inputs the bias also takes back what rounding the weights adds on average.
#include "graph/quant/conv_fold.h"

#include <algorithm>
#include <cmath>

#include "graph/quant/adaptive_rounding.h"
#include "graph/quant/kernel_rounding.h"

namespace quadlane {
namespace {

constexpr double kLargestWeight = 127;

struct InputChannel {
  int32_t zero = 0, reach = 255;
  bool negative = false;
  double gain = 0;      // a s: what one level is worth
  double constant = 0;  // to add for each tap
  double mean = 0;      // of clamp(q) - zero, in levels
};

InputChannel input_channel(const StoragePlan& plan, const QuantConv& conv, size_t c, const ValueProfile* seen) {
  ChannelRef ref = plan.stored.at(conv.x).channels[c];
  double scale = plan.sources[ref.source].scale[ref.channel], low = plan.sources[ref.source].low[ref.channel];
  double a = conv.pre.factor[c], t = conv.pre.z[c], level = (t - low) / scale;
  InputChannel in;
  in.negative = a < 0;
  // Without padding or a clamp nothing but the bias depends on the byte that is subtracted.
  bool any_zero = !conv.clamps && !conv.window.padded() && !conv.transposed;
  if (!any_zero) in.zero = static_cast<int32_t>(std::clamp(std::nearbyint(level), 0.0, 255.0));
  in.constant = conv.pre.constant[c];
  const double start = low + scale * in.zero;  // the clamp's other end, from which the kernel counts
  const double bound = in.negative ? conv.pre.lo[c] : conv.pre.hi[c];
  const double span = (in.negative ? start - bound : bound - start) / scale;
  in.reach = static_cast<int32_t>(std::clamp(std::nearbyint(span), 0.0, 255.0));
  bool below = level<-0.5, above = level> 255.5, dead = conv.clamps && (in.negative ? below : above);
  if (a == 0 || dead) return in;
  if (span < 0) {  // everything is beyond the bound
    in.constant += a * (bound - t);
    return in;
  }
  in.gain = a * scale;
  double offset = start - t;  // t' - t
  double live = 1;
  if (conv.clamps && !below && !above) live = seen ? seen->positive[c] : 0.5;
  in.constant += a * offset * live;
  if (seen) in.mean = (seen->mean[c] / a - offset * live) / scale;
  return in;
}

// Calls f(input channel, output channel, index) for every weight.
template <class F>
void for_weights(const QuantConv& conv, const Shape& w, const F& f) {
  size_t rows = static_cast<size_t>(w[0]), columns = static_cast<size_t>(w[1]), taps = static_cast<size_t>(w[2] * w[3]);
  size_t rows_per_group = rows / static_cast<size_t>(conv.window.group);
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j) {
      size_t across = i / rows_per_group * columns + j;
      for (size_t k = 0; k < taps; ++k)
        f(conv.transposed ? i : across, conv.transposed ? across : i, (i * columns + j) * taps + k);
    }
}

// How many of the kernel's taps reach an output pixel, on average, out of all of them.
double tap_share(const QuantConv& conv) {
  return conv.transposed ? 1.0 / static_cast<double>(conv.window.strides[0] * conv.window.strides[1]) : 1.0;
}

// The weight scale of an output channel: the largest weight becomes 127; larger where the sum could leave int32.
double weight_scale(double largest, double bias, double sum) {
  double scale = std::max(largest / kLargestWeight, std::abs(bias) / (1 << 30));
  // 255 sum |w| / scale < 2^30, with room for rounding.
  return std::max({scale, 255 * sum / (1 << 30), 1e-30});
}

// Output o of every group takes the largest scale of them.
void share_scales(std::vector<double>& scale, size_t groups) {
  size_t outputs = scale.size() / groups;
  for (size_t i = outputs; i < scale.size(); ++i) scale[i % outputs] = std::max(scale[i % outputs], scale[i]);
  for (size_t i = outputs; i < scale.size(); ++i) scale[i] = scale[i % outputs];
}

}  // namespace

FoldedConv fold_conv(const Graph& g, const StoragePlan& plan, const QuantConv& conv, const std::vector<double>& shift,
                     const ValueProfile* input, const QuantPolicy& policy) {
  const Node& node = g[conv.node];
  const Tensor& weights = *g.constant(node.input(1));
  std::span<const float> w = weights.span<float>();
  size_t outputs = static_cast<size_t>(g[node.output()].type.shape[1]);
  std::vector<InputChannel> in;
  FoldedConv folded;
  for (size_t c = 0; c < conv.pre.factor.size(); ++c) {
    in.push_back(input_channel(plan, conv, c, policy.bias_correction ? input : nullptr));
    folded.zero.push_back(in[c].zero);
    folded.negative.push_back(in[c].negative);
    folded.reach.push_back(in[c].reach);
  }
  std::vector<double> bias = floats_of(g, node.input(2)), largest(outputs, 0), sum(outputs, 0);
  bias.resize(outputs, 0);
  double share = tap_share(conv);
  for_weights(conv, weights.shape(), [&](size_t c, size_t o, size_t i) {
    double scaled = std::abs(w[i] * in[c].gain);
    largest[o] = std::max(largest[o], scaled);
    sum[o] += scaled;
    bias[o] += share * w[i] * in[c].constant;
  });
  for (size_t o = 0; o < shift.size(); ++o) bias[o] += shift[o];
  if (auto extra = policy.bias_shift.find(node.name); extra != policy.bias_shift.end())
    for (size_t o = 0; o < std::min(outputs, extra->second.size()); ++o) bias[o] += extra->second[o];
  if (conv.f32) {
    std::vector<float> carried(w.size());
    for_weights(conv, weights.shape(),
                [&](size_t c, size_t, size_t i) { carried[i] = static_cast<float>(w[i] * in[c].gain); });
    folded.weights = Tensor::from<float>(weights.shape(), carried);
    folded.scale.assign(outputs, 1);
    folded.bias = Tensor::from<float>({static_cast<int64_t>(outputs)}, std::vector<float>(bias.begin(), bias.end()));
    return folded;
  }
  std::vector<double> scale(outputs);
  for (size_t o = 0; o < outputs; ++o) scale[o] = weight_scale(largest[o], bias[o], sum[o]);
  if (conv.transposed) share_scales(scale, static_cast<size_t>(conv.window.group));
  for (double& s : scale) {
    folded.scale.push_back(static_cast<float>(s));
    s = folded.scale.back();
  }
  std::vector<double> exact(w.size());
  for_weights(conv, weights.shape(), [&](size_t c, size_t o, size_t i) { exact[i] = w[i] * in[c].gain / scale[o]; });
  // Taps of a transposed convolution reach different pixels.
  size_t taps = conv.transposed ? 1 : static_cast<size_t>(weights.shape()[2] * weights.shape()[3]);
  std::vector<int8_t> rounded = round_kernels(exact, taps);
  if (const LayerMoments* moments = policy.moments ? policy.moments->find(node.name) : nullptr) {
    std::vector<double> gains;
    for (const InputChannel& channel : in) gains.push_back(channel.gain);
    round_adaptively(exact, gains, *moments, rounded, policy.parallel);
  }
  if (policy.bias_correction)
    for_weights(conv, weights.shape(), [&](size_t c, size_t o, size_t i) {
      bias[o] -= share * (rounded[i] - exact[i]) * scale[o] * in[c].mean;
    });
  std::vector<int32_t> levels;
  for (size_t o = 0; o < outputs; ++o) levels.push_back(static_cast<int32_t>(std::lround(bias[o] / scale[o])));
  folded.weights = Tensor::from<int8_t>(weights.shape(), rounded);
  folded.bias = Tensor::from<int32_t>({static_cast<int64_t>(outputs)}, levels);
  return folded;
}

}  // namespace quadlane
