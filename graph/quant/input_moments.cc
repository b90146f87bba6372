#include "graph/quant/input_moments.h"

#include <algorithm>

#include "graph/passes/conv_node.h"

namespace quadlane {
namespace {

constexpr size_t kLeastPatches = 8192;  // of all inputs together
constexpr size_t kPatchesPerElement = 4;

// One patch of one group, at output pixel (y, x) of image n.
void take_patch(const Tensor& t, const Window2d& w, int64_t n, size_t group, size_t channels, int64_t y, int64_t x,
                float* patch) {
  const Shape& s = t.shape();
  for (size_t c = 0; c < channels; ++c) {
    const float* plane = t.as<float>() + (n * s[1] + static_cast<int64_t>(group * channels + c)) * s[2] * s[3];
    for (int64_t kh = 0; kh < w.kernel[0]; ++kh)
      for (int64_t kw = 0; kw < w.kernel[1]; ++kw) {
        const int64_t row = y * w.strides[0] - w.pads[0] + kh * w.dilations[0];
        const int64_t column = x * w.strides[1] - w.pads[1] + kw * w.dilations[1];
        const bool inside = row >= 0 && row < s[2] && column >= 0 && column < s[3];
        *patch++ = inside ? plane[row * s[3] + column] : 0.0f;
      }
  }
}

}  // namespace

size_t InputMoments::Reader::patches(size_t length, size_t samples) const {
  const size_t pixels = static_cast<size_t>(output[0] * output[2] * output[3]);
  return std::min(pixels, std::max(kLeastPatches, kPatchesPerElement * length) / std::max<size_t>(samples, 1) + 1);
}

double LayerMoments::covariance(size_t group, size_t i, size_t j) const {
  const double product = products[(group * length + i) * length + j] / patches;
  return product - mean(group, i) * mean(group, j);
}

InputMoments::InputMoments(const Graph& graph, size_t samples, Gram gram, size_t max_bytes)
    : gram_(std::move(gram)), samples_(samples) {
  std::vector<std::pair<size_t, NodeId>> convs;  // bytes of the matrices
  for (NodeId id : graph.order()) {
    const Node& node = graph[id];
    const Tensor* w = node.op == "Conv" ? graph.constant(node.input(1)) : nullptr;
    std::optional<Window2d> window = w ? conv_window(graph, node) : std::nullopt;
    if (!window) continue;
    const size_t length = static_cast<size_t>(w->count() / w->shape()[0]), groups = static_cast<size_t>(window->group);
    convs.emplace_back(groups * length * length * sizeof(float), id);
  }
  std::stable_sort(convs.begin(), convs.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t total = 0;
  for (const auto& [bytes, id] : convs) {
    if ((total += bytes) > max_bytes) break;
    const Node& node = graph[id];
    const Tensor& w = *graph.constant(node.input(1));
    LayerMoments& layer = layers_[node.name];
    Window2d window = *conv_window(graph, node);
    layer.groups = static_cast<size_t>(window.group);
    layer.length = static_cast<size_t>(w.count() / w.shape()[0]);
    layer.products.assign(bytes / sizeof(float), 0);
    layer.sums.assign(layer.groups * layer.length, 0);
    readers_[node.input(0)].push_back({node.name, std::move(window), graph[node.output()].type.shape});
  }
}

Status InputMoments::observe(ValueId value, const Tensor& t) {
  auto found = readers_.find(value);
  if (found == readers_.end()) return {};
  for (const Reader& reader : found->second) {
    LayerMoments& layer = layers_[reader.name];
    const size_t count = reader.patches(layer.length, samples_),
                 channels = static_cast<size_t>(t.shape()[1]) / layer.groups;
    const size_t width = static_cast<size_t>(reader.output[3]), pixels = width * static_cast<size_t>(reader.output[2]);
    const size_t all = pixels * static_cast<size_t>(reader.output[0]);
    std::vector<float> rows(count * layer.length), product(layer.length * layer.length);
    for (size_t g = 0; g < layer.groups; ++g) {
      for (size_t i = 0; i < count; ++i) {
        // Evenly spread, beginning elsewhere in every input.
        const size_t at = (i * (all / count) + sample_ * 7919) % all, pixel = at % pixels;
        float* patch = rows.data() + i * layer.length;
        take_patch(t, reader.window, static_cast<int64_t>(at / pixels), g, channels,
                   static_cast<int64_t>(pixel / width), static_cast<int64_t>(pixel % width), patch);
        for (size_t k = 0; k < layer.length; ++k) layer.sums[g * layer.length + k] += patch[k];
      }
      QL_CHECK_OK(gram_(rows, layer.length, product));
      float* sum = layer.products.data() + g * product.size();
      for (size_t k = 0; k < product.size(); ++k) sum[k] += product[k];
    }
    layer.patches += static_cast<double>(count);
  }
  return {};
}

const LayerMoments* InputMoments::find(const std::string& conv) const {
  auto it = layers_.find(conv);
  return it == layers_.end() || it->second.patches < 2 ? nullptr : &it->second;
}

}  // namespace quadlane
