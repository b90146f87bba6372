#include "tools/accuracy/measured_bias.h"

#include <algorithm>

#include "ops/table.h"
#include "tools/accuracy/side_by_side.h"
#include "tools/cli/level_deviation.h"
#include "tools/cli/progress.h"

namespace quadlane::tools {
namespace {

// A convolution and how its result can be looked at in the quantized graph.
struct Layer {
  std::string conv, value, shown;
  const QuantValue* levels;  // null: the result is a number
  size_t channels;
};

// The result of a Relu that alone reads v, else v. A Relu passes only a part of a shift on: it is corrected less.
ValueId behind_relu(const Graph& graph, ValueId v) {
  const Use* use = graph.single_use(v);
  return use && graph.at(use->node).op == "Relu" ? graph.at(use->node).output() : v;
}

std::vector<Layer> layers_of(const Graph& fp32, const QuantReport& report) {
  std::vector<Layer> layers;
  for (NodeId id : fp32.order()) {
    const Node& node = fp32.at(id);
    if (node.op != "Conv" && node.op != "ConvTranspose") continue;
    const Value& result = fp32.at(behind_relu(fp32, node.output()));
    Layer layer{node.name, result.name, {}, nullptr, static_cast<size_t>(result.type.shape[1])};
    for (const QuantValue& value : report.values) {
      if (value.name != result.name) continue;
      layer.shown = bytes_of(result.name);
      layer.levels = &value;
    }
    if (fp32.is_output(node.output())) layer.shown = result.name;
    if (!layer.shown.empty()) layers.push_back(std::move(layer));
  }
  return layers;
}

// The mean of each channel of (levels as numbers) minus (fp32, clamped to what levels reach).
void add_error(const Layer& layer, const Tensor& exact, const Tensor& shown, std::vector<double>& error,
               double& images) {
  const int64_t channels = static_cast<int64_t>(layer.channels), batch = exact.shape()[0];
  const int64_t inner = exact.count() / batch / channels;
  for (int64_t row = 0; row < batch * channels; ++row) {
    const size_t c = static_cast<size_t>(row % channels);
    const float* x = exact.as<float>() + row * inner;
    double sum = 0;
    if (!layer.levels) {
      const float* y = shown.as<float>() + row * inner;
      for (int64_t i = 0; i < inner; ++i) sum += y[i] - x[i];
    } else {
      const double scale = layer.levels->scale_of(c), low = layer.levels->low_of(c), high = low + 255 * scale;
      const uint8_t* q = shown.as<uint8_t>() + row * inner;
      for (int64_t i = 0; i < inner; ++i) sum += low + scale * q[i] - std::clamp<double>(x[i], low, high);
    }
    error[c] += sum / static_cast<double>(inner);
  }
  images += static_cast<double>(batch);
}

}  // namespace

Status measure_bias(const Graph& fp32, const Profile& profile, std::span<const Sample> samples,
                    const CalibrationSource& source, QuantPolicy& policy) {
  QuantReport report;
  QL_TRY(Graph first, quantize(fp32, op_table(), profile, policy, &report));
  const std::vector<Layer> layers = layers_of(fp32, report);
  Progress progress("measuring biases", static_cast<int64_t>(layers.size()), "layers");
  for (const Layer& layer : layers) {
    QL_TRY(Graph int8, quantize(fp32, op_table(), profile, policy));
    if (!int8.find(layer.shown)) continue;
    std::vector<double> error(layer.channels, 0);
    double images = 0;
    QL_CHECK_OK(
        side_by_side({fp32, layer.value}, {int8, layer.shown}, samples, source,
                     [&](const Tensor& exact, const Tensor& shown) { add_error(layer, exact, shown, error, images); }));
    for (double& e : error) e = images > 0 ? -e / images : 0;
    policy.bias_shift[layer.conv] = std::move(error);
    progress.advance();
  }
  return {};
}

}  // namespace quadlane::tools
