#include "graph/passes/quant_match.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace quadlane {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<int32_t> zero_points(const Graph& g, ValueId v) {
  if (v == kNoValue) return {0};
  const Tensor* t = g.constant(v);
  if (!t) return {};
  std::vector<int32_t> zero;
  for (int64_t i = 0; i < t->count(); ++i) zero.push_back(static_cast<int32_t>(element_as_int(t->view(), i)));
  return zero;
}

template <class T>
void shrink_if_equal(std::vector<T>& values) {
  if (!values.empty() && std::all_of(values.begin(), values.end(), [&](T v) { return v == values[0]; }))
    values.resize(1);
}

// Scale and zero point of a Q or DQ node, each one element or as many as `axis` has; empty vectors when not constant.
QuantParams params_of(const Graph& g, const Node& node, int64_t wanted_axis) {
  const Tensor* scale = g.constant(node.input(1));
  if (!scale || scale->dtype() != DType::f32 || node.attrs.int_or("block_size", 0) != 0) return {};
  QuantParams p{{scale->as<float>(), scale->as<float>() + scale->count()}, zero_points(g, node.input(2))};
  const Shape& shape = g[node.input(0)].type.shape;
  int64_t rank = static_cast<int64_t>(shape.size()), axis = node.attrs.int_or("axis", 1);
  if (axis < 0) axis += rank;
  size_t extent = wanted_axis < rank ? static_cast<size_t>(shape[static_cast<size_t>(wanted_axis)]) : 0;
  shrink_if_equal(p.scale);
  shrink_if_equal(p.zero);
  for (size_t count : {p.scale.size(), p.zero.size()})
    if (count != 1 && (axis != wanted_axis || count != extent)) return {};
  for (float s : p.scale)
    if (!(s > 0 && s < kInf)) return {};
  return p;
}

int32_t quantize_bound(float bound, const QuantizedOutput& q) {
  double level = std::nearbyint(static_cast<double>(bound) / q.scale) + q.zero;
  return static_cast<int32_t>(std::clamp(level, 0.0, 255.0));
}

// Relu or Clip with constant bounds.
bool narrow(const Graph& g, const Node& node, float& lo, float& hi) {
  if (node.op == "Relu") {
    lo = 0;
    return true;
  }
  if (node.op != "Clip") return false;
  for (size_t i : {1u, 2u}) {
    if (node.input(i) == kNoValue) continue;
    std::optional<double> bound = scalar_constant(g, node.input(i));
    if (!bound) return false;
    (i == 1 ? lo : hi) = static_cast<float>(*bound);
  }
  return lo <= hi;
}

}  // namespace

bool QuantParams::one_scale() const { return scale.size() == 1; }

std::optional<QuantParams> constant_params(const Graph& g, const Node& node, int64_t axis) {
  QuantParams p = params_of(g, node, axis);
  return p.scale.empty() || p.zero.empty() ? std::nullopt : std::optional(p);
}

Tensor first_element(const Tensor& t) {
  Tensor first = *Tensor::allocate({t.dtype(), {}});
  std::memcpy(first.mutable_data(), t.data(), size_of(t.dtype()));
  return first;
}

Node with_scalar_params(Graph& g, Node node) {
  node.attrs.erase("axis");
  for (size_t i = 1; i < node.inputs.size(); ++i)
    if (const Tensor* t = g.constant(node.inputs[i]); t && !t->shape().empty())
      node.inputs[i] = g.add_constant(cat(node.name, i == 1 ? ".scale" : ".zero"), first_element(*t));
  return node;
}

std::optional<Dequantized> dequantized(const Graph& g, ValueId v) {
  if (v == kNoValue) return {};
  const Node* node = producer_of(g, v, "DequantizeLinear");
  if (!node || g[node->input(0)].type.dtype != DType::u8 || g.constant(node->input(0))) return {};
  Dequantized d{node->input(0), params_of(g, *node, 1)};
  if (d.params.scale.empty() || d.params.zero.empty()) return {};
  return d;
}

std::optional<Dequantized> dequantized_per_tensor(const Graph& g, ValueId v) {
  std::optional<Dequantized> d = dequantized(g, v);
  return d && d->params.per_tensor() ? d : std::nullopt;
}

std::optional<QuantizedOutput> as_quantizer(const Graph& g, const Node& node, Scales allowed) {
  if (node.op != "QuantizeLinear" || g[node.output()].type.dtype != DType::u8) return {};
  QuantParams p = params_of(g, node, 1);
  if (p.scale.empty() || p.zero.size() != 1 || (p.scale.size() > 1 && allowed == Scales::one)) return {};
  QuantizedOutput out{node.output(), p.scale[0], p.zero[0]};
  if (p.scale.size() > 1) out.channel_scale = p.scale;
  return out;
}

std::optional<QuantizedOutput> quantized_output(const Graph& g, ValueId v, Scales allowed) {
  NodeId user = only_user(g, v);
  if (user == kNoNode) return {};
  const Node* act = g[user].op == "QuantizeLinear" ? nullptr : &g[user];
  if (act && (act->outputs.empty() || (user = only_user(g, act->output())) == kNoNode)) return {};
  std::optional<QuantizedOutput> q = as_quantizer(g, g[user], allowed);
  if (!q || (act && !clamp_output(g, *act, *q))) return {};
  return q;
}

bool clamp_output(const Graph& g, const Node& act, QuantizedOutput& q) {
  float lo = -kInf, hi = kInf;
  if (!narrow(g, act, lo, hi)) return false;
  // A bound is one byte only when it lies on the same level in every channel, as 0 does.
  if (!q.channel_scale.empty() && ((lo != -kInf && lo != 0) || hi != kInf)) return false;
  if (lo != -kInf) q.lo = quantize_bound(lo, q);
  if (hi != kInf) q.hi = quantize_bound(hi, q);
  return true;
}

void set_output_range(Node& node, const QuantizedOutput& q) {
  node.attrs.set("out_zero", int64_t{q.zero});
  node.attrs.set("out_lo", int64_t{q.lo});
  node.attrs.set("out_hi", int64_t{q.hi});
}

std::optional<Tensor> centered_bytes(const Tensor& q, const std::vector<int32_t>& zero, size_t axis) {
  if ((q.dtype() != DType::s8 && q.dtype() != DType::u8) || q.shape().size() <= axis) return {};
  size_t channels = static_cast<size_t>(q.shape()[axis]), inner = 1;
  for (size_t i = axis + 1; i < q.shape().size(); ++i) inner *= static_cast<size_t>(q.shape()[i]);
  if (zero.size() != 1 && zero.size() != channels) return {};
  std::vector<int16_t> values(static_cast<size_t>(q.count()));
  bool bytes = true;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t value =
        element_as_int(q.view(), static_cast<int64_t>(i)) - zero[zero.size() == 1 ? 0 : i / inner % channels];
    if (value < -255 || value > 255) return {};
    values[i] = static_cast<int16_t>(value);
    bytes &= value >= -128 && value <= 127;
  }
  if (!bytes) return Tensor::from<int16_t>(q.shape(), values);
  return Tensor::from<int8_t>(q.shape(), std::vector<int8_t>(values.begin(), values.end()));
}

std::optional<IntegerWeights> integer_weights(const Graph& g, ValueId v, size_t axis) {
  const Node* node = producer_of(g, v, "DequantizeLinear");
  const Tensor* q = node ? g.constant(node->input(0)) : nullptr;
  if (!q || q->shape().size() <= axis) return {};
  QuantParams p = params_of(g, *node, static_cast<int64_t>(axis));
  if (p.scale.empty() || p.zero.empty()) return {};
  std::optional<Tensor> values = centered_bytes(*q, p.zero, axis);
  if (!values) return {};
  if (p.scale.size() == 1) p.scale.resize(static_cast<size_t>(q->shape()[axis]), p.scale[0]);
  return IntegerWeights{*std::move(values), p.scale};
}

std::vector<double> real_constant(const Graph& g, ValueId v) {
  const Node* dq = producer_of(g, v, "DequantizeLinear");
  const Tensor* q = dq ? g.constant(dq->input(0)) : nullptr;
  if (!q) return floats_of(g, v);
  const std::vector<double> scale = floats_of(g, dq->input(1));
  const Tensor* zero = g.constant(dq->input(2));  // of the scale's shape
  if (!zero && dq->input(2) != kNoValue) return {};
  if (scale.size() != 1 && static_cast<int64_t>(scale.size()) != q->count()) return {};
  std::vector<double> values;
  for (int64_t i = 0; i < q->count(); ++i) {
    const int64_t at = scale.size() == 1 ? 0 : i;
    const double level = element_as_double(q->view(), i) - (zero ? element_as_double(zero->view(), at) : 0);
    values.push_back(level * scale[static_cast<size_t>(at)]);
  }
  return values;
}

bool sums_fit_int32(const Tensor& w, const std::vector<int32_t>& bias, const std::function<size_t(size_t)>& output_of) {
  std::vector<int64_t> sum;
  for (int32_t b : bias) sum.push_back(std::abs(int64_t{b}));
  for (int64_t i = 0; i < w.count(); ++i)
    sum[output_of(static_cast<size_t>(i))] += 255 * std::abs(element_as_int(w.view(), i));
  return std::all_of(sum.begin(), sum.end(), [](int64_t s) { return s < int64_t{1} << 31; });
}

}  // namespace quadlane
