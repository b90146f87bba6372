#include "tools/peers/conv_layer.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "ops/conv_attrs.h"
#include "ops/table.h"

namespace quadlane::peers {
namespace {

Result<ConvLayer> layer_of(const Graph& graph, const Node& node, DType type) {
  const Shape &x = graph.at(node.input(0)).type.shape, &w = graph.at(node.input(1)).type.shape;
  ConvLayer layer;
  layer.transposed = node.op == "ConvTranspose";
  QL_TRY(ConvAttrs attrs, layer.transposed ? conv_transpose_attrs(node, x, w) : conv_attrs(node, x, w));
  layer.n = x[0];
  layer.inputs = x[1];
  layer.group = attrs.group;
  layer.outputs = layer.transposed ? w[1] * attrs.group : w[0];
  layer.type = type;
  for (size_t axis = 0; axis < 2; ++axis) {
    layer.in[axis] = x[2 + axis];
    layer.out[axis] = attrs.out[axis];
    layer.kernel[axis] = attrs.kernel[axis];
    layer.stride[axis] = attrs.strides[axis];
    layer.dilation[axis] = attrs.dilations[axis];
    layer.pad_begin[axis] = attrs.pad_begin(axis);
    layer.pad_end[axis] = attrs.pad_end(axis);
    if (layer.transposed) layer.pad_end[axis] -= attrs.output_padding[axis];
  }
  return layer;
}

std::vector<int64_t> both(const int64_t (&values)[2]) { return {values[0], values[1]}; }

Shape weight_shape(const ConvLayer& l) {
  const int64_t first = l.transposed ? l.inputs : l.outputs, second = (l.transposed ? l.outputs : l.inputs) / l.group;
  return {first, second, l.kernel[0], l.kernel[1]};
}

// Normal values of this deviation.
template <class T>
Tensor normal_values(const Shape& shape, float deviation) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<T> values(static_cast<size_t>(elements(shape)));
  for (T& v : values)
    v = std::is_integral_v<T> ? static_cast<T>(std::clamp(std::nearbyint(normal(random)), -127.0f, 127.0f))
                              : static_cast<T>(normal(random));
  return Tensor::from<T>(shape, values);
}

// The scales of an int8 layer in QDQ form; that of the output lets few values reach the end of the range.
constexpr float kInputScale = 0.02f, kWeightScale = 0.01f;
float level_of_output(const ConvLayer& l) {
  const double fan_in = static_cast<double>(l.inputs / l.group * l.kernel[0] * l.kernel[1]);
  return static_cast<float>(0.01 * std::sqrt(fan_in));
}

Tensor floats(const Shape& shape, float value) {
  return Tensor::from<float>(shape, std::vector<float>(static_cast<size_t>(elements(shape)), value));
}

Node conv_node(const ConvLayer& l, ValueId x, ValueId w, ValueId bias) {
  Node node{"conv", l.transposed ? "ConvTranspose" : "Conv", {}, {x, w, bias}, {}};
  node.attrs.set("group", l.group);
  node.attrs.set("strides", both(l.stride));
  node.attrs.set("dilations", both(l.dilation));
  node.attrs.set("pads", std::vector<int64_t>{l.pad_begin[0], l.pad_begin[1], l.pad_end[0], l.pad_end[1]});
  return node;
}

}  // namespace

double ConvLayer::gmac() const {
  const int64_t* pixels = transposed ? in : out;
  return 1e-9 * static_cast<double>(n * pixels[0] * pixels[1] * kernel[0] * kernel[1] * (inputs / group) * outputs);
}

std::string ConvLayer::text() const {
  std::string text = cat(n > 1 ? cat(n, "x") : "", inputs, "x", in[0], "x", in[1], " -> ", outputs, "  ", kernel[0],
                         "x", kernel[1], transposed ? " up" : "");
  if (stride[0] > 1 || stride[1] > 1) text += cat(" s", stride[0]);
  if (dilation[0] > 1 || dilation[1] > 1) text += cat(" d", dilation[0]);
  if (group > 1) text += group == inputs ? std::string(" depthwise") : cat(" g", group);
  return text;
}

float ConvLayer::output_scale() const { return kInputScale * kWeightScale / level_of_output(*this); }

std::vector<CountedLayer> conv_layers(const Graph& graph, DType type) {
  std::vector<CountedLayer> layers;
  for (NodeId id : graph.order()) {
    const Node& node = graph.at(id);
    if (node.op != "Conv" && node.op != "ConvTranspose") continue;
    if (graph.at(node.input(0)).type.shape.size() != 4) continue;
    auto layer = layer_of(graph, node, type);
    if (!layer.ok()) continue;
    auto same = std::find_if(layers.begin(), layers.end(), [&](const CountedLayer& l) { return l.layer == *layer; });
    if (same != layers.end())
      ++same->count;
    else
      layers.push_back({*layer, 1, node.name});
  }
  return layers;
}

Tensor layer_input(const ConvLayer& l) {
  const Shape shape = {l.n, l.inputs, l.in[0], l.in[1]};
  if (l.type != DType::u8) return normal_values<float>(shape, 1);
  std::mt19937 random(2);
  std::vector<uint8_t> bytes(static_cast<size_t>(elements(shape)));
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random() >> 24);
  return Tensor::from<uint8_t>(shape, bytes);
}

Tensor layer_weights(const ConvLayer& l) {
  return l.type == DType::u8 ? normal_values<int8_t>(weight_shape(l), 40) : normal_values<float>(weight_shape(l), 0.1f);
}

Result<Graph> layer_graph(const ConvLayer& l) {
  Graph graph;
  graph.name = l.text();
  const bool int8 = l.type == DType::u8;
  ValueId x = graph.add_input("x", {l.type, {l.n, l.inputs, l.in[0], l.in[1]}});
  ValueId bias = graph.add_constant("bias", floats({l.outputs}, 0));
  ValueId w;
  auto constant = [&](const char* name, float value) { return graph.add_constant(name, Tensor::scalar<float>(value)); };
  const ValueId zero = int8 ? graph.add_constant("zero", Tensor::scalar<uint8_t>(0)) : kNoValue;
  if (int8) {
    ValueId bytes = graph.add_constant("bytes", layer_weights(l));
    ValueId none = graph.add_constant("none", Tensor::scalar<int8_t>(0));
    QL_TRY(w,
           add_op(graph, op_table(), {"w", "DequantizeLinear", {}, {bytes, constant("ws", kWeightScale), none}, {}}));
    QL_TRY(x, add_op(graph, op_table(), {"dx", "DequantizeLinear", {}, {x, constant("xs", kInputScale), zero}, {}}));
  } else {
    w = graph.add_constant("w", layer_weights(l));
  }
  QL_TRY(ValueId y, add_op(graph, op_table(), conv_node(l, x, w, bias)));
  if (int8) {
    QL_TRY(y, add_op(graph, op_table(), {"relu", "Relu", {}, {y}, {}}));
    QL_TRY(y,
           add_op(graph, op_table(), {"qy", "QuantizeLinear", {}, {y, constant("ys", level_of_output(l)), zero}, {}}));
  }
  graph.set_outputs({y});
  return graph;
}

}  // namespace quadlane::peers
