// integer_conv: DequantizeLinear(x) [-> Relu] -> Conv(DequantizeLinear(w)) [-> Add r | PRelu] [-> Relu] ->
// QuantizeLinear
//                 =>  ql.Conv(x, w, bias, mult, z, lo)
//
// For u8 activations of one scale and a zero point for all or for each channel, and weights of bytes less a zero point:
//   sum s_w s_x w (q - z) + b = s_x s_w[o] (sum w (q - z) + bias[o])     bias = b / (s_x s_w[o]) as s32
// mult[o] = s_x s_w[o] / s_y. A padded tap is 0 in both. The clamp in front of the convolution (Relu, Clip, or Max and
// Min with constants for each channel) is one on bytes when its bounds are whole levels: lo = z + L / s_x. The clamp
// behind it narrows the output's range, a PRelu or LeakyRelu becomes slopes: scales are positive, so that signs stay
// what they are. Without a QuantizeLinear behind it the result is f32.
//
// Declined, so that the layer stays in fp32: weights that are not integers, a bias that is no constant, clamps between
// levels, and sums that might leave int32: |bias| + 255 sum |w| < 2^31 is proved for every output channel.
#include <cmath>

#include "graph/passes/conv_node.h"
#include "graph/passes/integer_input.h"
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

struct IntegerConv {
  IntegerInput x;
  Window2d window;
  IntegerWeights w;
  std::vector<int32_t> bias;
  std::vector<float> scale;  // s_x * s_w[o]; in floats, and divided by s_y in floats, as ONNX Runtime does: equal bytes
};

// Weight element i of `w` belongs to output channel ...
size_t output_of(const Node& conv, const Shape& w, int64_t group, size_t i) {
  size_t taps = static_cast<size_t>(w[2] * w[3]), second = static_cast<size_t>(w[1]);
  size_t row = i / taps / second;
  if (conv.op == "Conv") return row;
  return row / static_cast<size_t>(w[0] / group) * second + i / taps % second;
}

std::optional<IntegerConv> match(const Graph& g, const Node& conv) {
  std::optional<Window2d> window = conv_window(g, conv);
  if (!window) return {};
  bool transposed = conv.op == "ConvTranspose";
  std::optional<IntegerInput> x = integer_input(g, conv.input(0));
  std::optional<IntegerWeights> w = integer_weights(g, conv.input(1), transposed ? 1 : 0);
  if (!x || !w) return {};
  size_t outputs = static_cast<size_t>(g[conv.output()].type.shape[1]);
  IntegerConv c{*x, *window, *w};
  const std::vector<double> bias =
      conv.input(2) == kNoValue ? std::vector<double>(outputs, 0) : real_constant(g, conv.input(2));
  if (bias.size() != outputs) return {};
  for (size_t o = 0; o < outputs; ++o) {
    c.scale.push_back(c.x.scale * c.w.scale[o % c.w.scale.size()]);
    double level = std::nearbyint(bias[o] / double{c.scale[o]});
    if (!(std::abs(level) < 2147483647.0)) return {};
    c.bias.push_back(static_cast<int32_t>(level));
  }
  const bool fits = sums_fit_int32(c.w.values, c.bias,
                                   [&](size_t i) { return output_of(conv, c.w.values.shape(), c.window.group, i); });
  return fits ? std::optional(c) : std::nullopt;
}

// Adds everything but the output's side.
Node make_node(Graph& g, const Node& conv, const IntegerConv& c, const QuantizedOutput& out) {
  Node node = make_ql_conv(conv, c.window);
  int64_t outputs = static_cast<int64_t>(c.bias.size());
  std::vector<double> mult;
  for (size_t o = 0; o < c.scale.size(); ++o) mult.push_back(c.scale[o] / out.scale_of(o));
  auto bytes = [&](const char* what, const std::vector<uint8_t>& values) {
    if (values.empty()) return kNoValue;
    return g.add_constant(conv.name + what, Tensor::from<uint8_t>({static_cast<int64_t>(values.size())}, values));
  };
  node.inputs[kConvX] = c.x.q;
  node.inputs[kConvW] = g.add_constant(conv.name + ".w", c.w.values);
  node.inputs[kConvBias] = g.add_constant(conv.name + ".bias", Tensor::from<int32_t>({outputs}, c.bias));
  node.inputs[kConvMult] = add_floats(g, conv.name + ".mult", {outputs}, mult);
  node.inputs[kConvZ] = bytes(".z", c.x.z);
  node.inputs[kConvLo] = bytes(".lo", c.x.lo);
  node.inputs[kConvHi] = bytes(".hi", c.x.hi);
  return node;
}

// What follows the convolution: [Add r | PRelu] [Relu] QuantizeLinear.
struct Tail {
  std::optional<QuantizedOutput> out;
  std::optional<Dequantized> residual;
  std::vector<double> slopes;
};

Tail read_tail(const Graph& g, const Node& conv) {
  Tail tail{quantized_output(g, conv.output(), Scales::channels), {}, {}};
  NodeId user = only_user(g, conv.output());
  if (tail.out || conv.op != "Conv" || user == kNoNode) return tail;
  if (std::optional<std::vector<double>> slopes = slopes_behind(g, conv, g[user])) {
    tail.out = quantized_output(g, g[user].output(), Scales::channels);
    if (tail.out) tail.slopes = *slopes;
    return tail;
  }
  if (g[user].op != "Add") return tail;
  ValueId other = g[user].input(g[user].input(0) == conv.output() ? 1 : 0);
  std::optional<Dequantized> r = dequantized_per_tensor(g, other);
  if (!r || g[other].type != g[conv.output()].type) return tail;
  tail.out = quantized_output(g, g[user].output());
  if (tail.out) tail.residual = r;
  return tail;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    Node conv = g[id];
    std::optional<IntegerConv> c = match(g, conv);
    if (!c) continue;
    Tail tail = read_tail(g, conv);
    Node node = make_node(g, conv, *c, tail.out.value_or(QuantizedOutput{}));
    node.attrs.set("dtype", std::string(tail.out ? "u8" : "f32"));
    if (tail.out) set_output_range(node, *tail.out);
    if (!tail.slopes.empty()) {
      node.inputs.resize(kConvSlope + 1, kNoValue);
      node.inputs[kConvSlope] =
          add_floats(g, conv.name + ".slope", {static_cast<int64_t>(tail.slopes.size())}, tail.slopes);
    }
    if (tail.residual) {
      node.inputs[kConvResidual] = tail.residual->q;
      node.attrs.set("residual_mult", tail.residual->scale() / tail.out->scale);
      node.attrs.set("residual_zero", int64_t{tail.residual->zero()});
    }
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, tail.out ? tail.out->q : conv.output(), std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerConv{"integer_conv", "DequantizeLinear -> Conv -> QuantizeLinear => ql.Conv on bytes", run};

}  // namespace quadlane
