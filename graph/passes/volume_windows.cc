// With i(j) = od * stride - pad + j * dilation the input slice under tap j of output slice od,
//   Conv           y[od] = conv2d(slices i(j) for all j inside, the weights of these taps)
//   ConvTranspose  y[od] = convtranspose2d(slices i with od = i * stride - pad + j * dilation, the weights of these j)
//   MaxPool        y[od] = max over j of maxpool2d(x)[i(j)]
//   AveragePool    y[od] = sum over j of averagepool2d(x)[i(j)] / (slices inside, or all with count_include_pad)
// A slice outside the volume is no operand: depth padding multiplies nothing. Slices in the middle of the volume share
// their weights.
#include <algorithm>
#include <map>
#include <set>

#include "graph/passes/volume_lifts.h"
#include "graph/passes/volume_window.h"

namespace quadlane {
namespace {

// The constant behind a convolution's weights, which a DequantizeLinear with a scale for each output channel (or one)
// may stand in front of; else null.
const Tensor* weights_constant(const Graph& g, const Node& node) {
  const Node* dequantize = producer_of(g, node.input(1), "DequantizeLinear");
  if (!dequantize) return g.constant(node.input(1));
  const bool by_output = dequantize->attrs.int_or("axis", 1) == (node.op == "ConvTranspose" ? 1 : 0);
  if (dequantize->attrs.int_or("block_size", 0) != 0) return nullptr;
  if (!by_output && !scalar_constant(g, dequantize->input(1))) return nullptr;
  return g.constant(dequantize->input(0));
}

// The weights of these taps in depth for a 2-D convolution: axis 1 (or 0 when transposed) holds (tap, channel).
Result<ValueId> weights_of(ImageForm& form, const Node& node, const std::vector<int64_t>& taps, bool transposed) {
  Graph& g = form.graph();
  const Tensor& w = *weights_constant(g, node);
  Shape s = w.shape();
  if (s.size() == 3) s = {s[0], s[1], 1, 1, s[2]};
  const int64_t outer = transposed ? 1 : s[0], channels = transposed ? s[0] : s[1], inner = transposed ? s[1] : 1;
  const int64_t all = static_cast<int64_t>(taps.size()) * channels;
  const Shape shape = transposed ? Shape{all, inner, s[3], s[4]} : Shape{outer, all, s[3], s[4]};
  QL_TRY(Tensor image, Tensor::allocate({w.dtype(), shape}));
  const size_t area = w.type().bytes() / static_cast<size_t>(s[0] * s[1] * s[2]);  // bytes
  auto* to = static_cast<std::byte*>(image.mutable_data());
  auto* from = static_cast<const std::byte*>(w.data());
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t tap : taps)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t i = 0; i < inner; ++i, to += area)
          std::copy_n(from + static_cast<size_t>(((o * channels + c) * inner + i) * s[2] + tap) * area, area, to);
  const ValueId weights = g.add_constant(node.name + ".weights", std::move(image));
  const Node* dequantize = producer_of(g, node.input(1), "DequantizeLinear");
  if (!dequantize) return weights;
  std::vector<ValueId> inputs = dequantize->inputs;
  inputs[0] = weights;
  const Attrs attrs = dequantize->attrs;
  return form.add("DequantizeLinear", attrs, inputs);
}

// Every set of taps that some output slice has gets weights of its own: few for real kernels, which lose taps at the
// two ends only.
bool affordable(const std::vector<std::vector<DepthTap>>& taps, int64_t kernel_depth) {
  constexpr int64_t kMostCopies = 8;
  std::set<std::vector<int64_t>> sets;
  int64_t copied = 0;
  for (const auto& of : taps) {
    std::vector<int64_t> set;
    for (const DepthTap& tap : of) set.push_back(tap.tap);
    if (sets.insert(set).second) copied += static_cast<int64_t>(set.size());
  }
  return copied <= kMostCopies * kernel_depth;
}

}  // namespace

// The convolutions of all output slices; equal taps share their weights.
Lifted lift_conv(ImageForm& form, const Node& node) {
  Graph& g = form.graph();
  const bool transposed = node.op == "ConvTranspose";
  const auto x = VolumeShape::of(g, node.input(0)), y = VolumeShape::of(g, node.output());
  const auto window = VolumeWindow::of(g, node);
  const Tensor* w = weights_constant(g, node);
  if (!x || !y || !window || !w || w->count() == 0) return kStays;
  const bool grouped = window->group > 1 && x->d > 1;
  if (grouped && transposed) return kStays;
  std::vector<std::vector<DepthTap>> taps;
  for (int64_t od = 0; od < y->d; ++od) {
    taps.push_back(transposed ? window->transposed_taps(od, x->d) : window->taps(od, x->d));
    if (taps.back().empty()) return kStays;  // the bias alone
  }
  if (!affordable(taps, window->kernel[0])) return kStays;
  QL_TRY(ValueId image, form.image(node.input(0)));
  std::map<std::vector<int64_t>, ValueId> weights;
  auto conv = [&](const std::vector<DepthTap>& of, bool bias) -> Result<ValueId> {
    std::vector<int64_t> depths, kernel;
    for (const DepthTap& tap : of) depths.push_back(tap.depth), kernel.push_back(tap.tap);
    QL_TRY(ValueId source, form.slices(image, x->c, depths));
    auto [at, fresh] = weights.try_emplace(kernel, kNoValue);
    if (fresh) {
      QL_TRY(at->second, weights_of(form, node, kernel, transposed));
    }
    std::vector<ValueId> inputs{source, at->second};
    if (bias && node.input(2) != kNoValue) inputs.push_back(node.input(2));
    return form.add(node.op, window->image_attrs(node), inputs);
  };
  std::vector<ValueId> results;
  for (const auto& of : taps) {
    // Channels of a group lie in several slices: a sum of one convolution a slice.
    QL_TRY(ValueId sum, conv(grouped ? std::vector{of[0]} : of, true));
    for (size_t j = 1; grouped && j < of.size(); ++j) {
      QL_TRY(ValueId part, conv({of[j]}, false));
      QL_TRY(sum, form.add("Add", {}, {sum, part}));
    }
    results.push_back(sum);
  }
  QL_TRY(ValueId all, form.concat(results));
  return std::optional(all);
}

namespace {

// max over j of the slices under tap j, all output slices at once; one with fewer taps repeats its last.
Result<ValueId> maximum_of(ImageForm& form, ValueId pooled, int64_t channels,
                           const std::vector<std::vector<DepthTap>>& taps) {
  size_t most = 0;
  for (const auto& of : taps) most = std::max(most, of.size());
  ValueId result = kNoValue;
  for (size_t j = 0; j < most; ++j) {
    std::vector<int64_t> depths;
    for (const auto& of : taps) depths.push_back(of[std::min(j, of.size() - 1)].depth);
    QL_TRY(ValueId next, form.slices(pooled, channels, depths));
    if (j > 0) {
      QL_TRY(next, form.add("Max", {}, {result, next}));
    }
    result = next;
  }
  return result;
}

// The mean of `all` slices, or of those inside when it is 0.
Result<ValueId> average_of(ImageForm& form, const Node& node, ValueId pooled, int64_t channels,
                           const std::vector<std::vector<DepthTap>>& taps, int64_t all) {
  std::vector<ValueId> results;
  for (const auto& of : taps) {
    ValueId sum = kNoValue;
    for (const DepthTap& tap : of) {
      QL_TRY(ValueId slice, form.slices(pooled, channels, tap.depth, tap.depth + 1));
      if (sum != kNoValue) {
        QL_TRY(slice, form.add("Add", {}, {sum, slice}));
      }
      sum = slice;
    }
    if (const int64_t count = all ? all : static_cast<int64_t>(of.size()); count > 1) {
      const ValueId share = add_floats(form.graph(), node.name + ".share", {1}, {1.0 / static_cast<double>(count)});
      QL_TRY(sum, form.add("Mul", {}, {sum, share}));
    }
    results.push_back(sum);
  }
  return form.concat(results);
}

}  // namespace

Lifted lift_pool(ImageForm& form, const Node& node) {
  Graph& g = form.graph();
  const auto x = VolumeShape::of(g, node.input(0)), y = VolumeShape::of(g, node.output());
  const auto window = VolumeWindow::of(g, node);
  if (!x || !y || !window || node.outputs.size() != 1) return kStays;
  const bool average = node.op == "AveragePool", count_pad = node.attrs.int_or("count_include_pad", 0) != 0;
  if (average && x->d > 1 && node.attrs.int_or("ceil_mode", 0) != 0) return kStays;
  QL_TRY(ValueId image, form.image(node.input(0)));
  QL_TRY(ValueId pooled, form.add(node.op, window->image_attrs(node), {image}));
  if (x->rank == 3) return std::optional(pooled);
  std::vector<std::vector<DepthTap>> taps;
  for (int64_t od = 0; od < y->d; ++od) {
    taps.push_back(window->taps(od, x->d));
    if (taps.back().empty()) return kStays;
  }
  QL_TRY(ValueId all, average ? average_of(form, node, pooled, x->c, taps, count_pad ? window->kernel[0] : 0)
                              : maximum_of(form, pooled, x->c, taps));
  return std::optional(all);
}

// The mean or maximum of each slice, then of these.
Lifted lift_global_pool(ImageForm& form, const Node& node) {
  const auto x = VolumeShape::of(form.graph(), node.input(0));
  if (!x || !form.known_image(node.input(0))) return kStays;
  QL_TRY(ValueId image, form.image(node.input(0)));
  QL_TRY(ValueId pooled, form.add(node.op, node.attrs, {image}));
  if (x->d == 1) return std::optional(pooled);
  QL_TRY(ValueId of_slices, form.reshape(pooled, {x->n, x->d, x->c, 1}));
  const ValueId axes =
      form.graph().add_constant(node.name + ".axes", Tensor::from<int64_t>({1}, std::vector<int64_t>{1}));
  QL_TRY(ValueId all, form.add(node.op == "GlobalMaxPool" ? "ReduceMax" : "ReduceMean", {}, {of_slices, axes}));
  QL_TRY(all, form.reshape(all, {x->n, x->c, 1, 1}));
  return std::optional(all);
}

}  // namespace quadlane
