// QuantizeLinear -> DequantizeLinear on every activation edge that an integer operator reads or writes, as the common
// tools write it:
//
//   DQ(x u8, one scale) -> Conv(DQ(w s8, per channel), DQ(bias s32)) [-> Relu] -> Q
//   DQ -> MaxPool, Concat (that integer operators read), Resize -> Q with equal scales in and out, so that engines can
//   drop the pairs around them DQ, DQ -> Add -> Q;  DQ -> BatchNormalization -> Q, or -> Relu -> Q
#include "graph/quant/any_form.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "graph/passes/conv_node.h"
#include "graph/quant/emit.h"

namespace quadlane {
namespace {

class AnyForm {
 public:
  AnyForm(const Graph& fp32, const OpTable& ops, const Profile& profile, const QuantPolicy& policy, QuantReport& report)
      : fp32_(fp32), g_(fp32), emit_(g_, ops), profile_(profile), policy_(policy), report_(report) {
    group_.resize(fp32.value_capacity());
    std::iota(group_.begin(), group_.end(), 0u);
  }

  Result<Graph> write() {
    for (NodeId id : fp32_.order()) tie_scales(fp32_[id]);
    QL_CHECK_OK(observe_ranges());
    for (NodeId id : fp32_.order())
      if (is_quantized_conv(id)) QL_CHECK_OK(quantize_weights(id));
    for (size_t i = 0; i < fp32_.value_capacity(); ++i)
      if (ValueId v{static_cast<uint32_t>(i)}; ranges_.count(v)) quantize_value(v);
    QL_CHECK_OK(emit_.status());
    g_.erase_dead();
    return std::move(g_);
  }

 private:
  uint32_t find(ValueId v) const {
    uint32_t i = static_cast<uint32_t>(v);
    while (group_[i] != i) i = group_[i];
    return i;
  }
  void tie(ValueId a, ValueId b) { group_[find(a)] = find(b); }

  // Operators whose results engines move or interpolate without rescaling.
  void tie_scales(const Node& node) {
    if (is_one_of(node.op, {"MaxPool", "Resize"})) tie(node.input(0), node.outputs[0]);
    if (node.op == "Concat" && is_read_as_bytes(node.outputs[0]))
      for (ValueId v : node.inputs) tie(v, node.outputs[0]);
  }

  bool is_quantized_conv(NodeId id) {
    const Node& node = fp32_[id];
    if (!is_one_of(node.op, {"Conv", "ConvTranspose"})) return false;
    const Tensor* w = fp32_.constant(node.input(1));
    bool bias = node.input(2) == kNoValue || fp32_.constant(node.input(2));
    return conv_window(fp32_, node) && w && w->dtype() == DType::f32 && bias && !policy_.keep_f32.count(node.name);
  }

  // Whether v should be bytes: an operator that engines run in integers reads it, or a convolution on bytes writes it
  // (without a QuantizeLinear behind it engines run that one in floats). A concat that only batch norms read stays in
  // floats: one scale for all its parts would leave little of the small ones, which the batch norm multiplies.
  bool wants_bytes(ValueId v) {
    const Value& value = fp32_[v];
    if (value.type.dtype != DType::f32 || value.type.shape.size() != 4 || value.constant) return false;
    if (behind_activation(v)) return false;
    return is_read_as_bytes(v) || (!fp32_.is_output(v) && is_written_as_bytes(v));
  }
  bool is_read_as_bytes(ValueId v) {
    const std::vector<Use>& uses = fp32_[v].uses;
    return std::any_of(uses.begin(), uses.end(), [&](const Use& use) {
      const Node& node = fp32_[use.node];
      if (use.input == 0 && is_quantized_conv(use.node)) return true;
      if (node.op == "Concat") return is_read_as_bytes(node.outputs[0]);
      if (node.op == "Resize") return use.input == 0;
      return is_one_of(node.op, {"MaxPool", "Add", "Mul", "AveragePool", "GlobalAveragePool"});
    });
  }
  bool is_written_as_bytes(ValueId v) {
    const Value& value = fp32_[v];
    if (value.producer == kNoNode) return false;
    const Node& node = fp32_[value.producer];
    bool act = is_one_of(node.op, {"Relu", "Clip"}) && behind_activation(node.input(0));
    if (act) return is_written_as_bytes(node.input(0));
    return is_quantized_conv(value.producer) || is_one_of(node.op, {"MaxPool", "Resize"});
  }
  // A value that only a Relu or Clip reads is quantized behind it.
  bool behind_activation(ValueId v) const {
    const Use* use = fp32_.single_use(v);
    return use && is_one_of(fp32_[use->node].op, {"Relu", "Clip"});
  }

  Status observe_ranges() {
    std::map<uint32_t, Range> groups;
    for (size_t i = 0; i < fp32_.value_capacity(); ++i) {
      ValueId v{static_cast<uint32_t>(i)};
      bool live = fp32_[v].producer == kNoNode || fp32_.is_live(fp32_[v].producer);
      if (!live || !wants_bytes(v)) continue;
      const ValueProfile* seen = profile_.find(fp32_[v].name);
      if (!seen) return invalid_argument("the calibration profile has no value '", fp32_[v].name, "'");
      const std::string& name = fp32_[v].name;
      QL_TRY(std::vector<Range> chosen,
             choose_ranges(*seen, policy_.method_of(name), true).context(cat("value '", name, "'")));
      Range& r = groups[find(v)];  // reaches 0
      r.low = std::min(r.low, chosen[0].low);
      r.high = std::max(r.high, chosen[0].high);
      ranges_[v] = {};
    }
    for (auto& [v, range] : ranges_) {
      range = groups[find(v)];
      report_.values.push_back({fp32_[v].name, {scale_of(range)}, {-double{scale_of(range)} * zero_of(range)}});
    }
    return {};
  }

  static float scale_of(const Range& r) { return static_cast<float>(std::max(r.high - r.low, 1e-6) / 255); }
  static int32_t zero_of(const Range& r) {
    return static_cast<int32_t>(std::clamp(std::nearbyint(-r.low / scale_of(r)), 0.0, 255.0));
  }

  void quantize_value(ValueId v) {
    const Range& r = ranges_[v];
    std::vector<Use> readers = g_[v].uses;
    const std::string name = fp32_[v].name;
    ValueId q = emit_.quantize(v, {scale_of(r)}, {zero_of(r)}, name + "_quantized");
    ValueId real = emit_.dequantize(q, {scale_of(r)}, {zero_of(r)}, name + "_dequantized");
    if (real == kNoValue) return;
    for (const Use& use : readers) g_.set_input(use.node, use.input, real);
  }

  Status quantize_weights(NodeId id) {
    const Node node = fp32_[id];
    ++report_.quantized;
    const Tensor& weights = *fp32_.constant(node.input(1));
    const Shape& shape = weights.shape();
    size_t axis = node.op == "Conv" ? 0 : 1, channels = static_cast<size_t>(shape[axis]);
    size_t inner = static_cast<size_t>(weights.count() / shape[0] / (axis ? shape[1] : 1));
    std::span<const float> w = weights.span<float>();
    std::vector<float> scale(channels, 1e-12f);
    for (size_t i = 0; i < w.size(); ++i) {
      float& s = scale[i / inner % channels];
      s = std::max(s, std::abs(w[i]) / 127);
    }
    std::vector<int8_t> rounded(w.size());
    for (size_t i = 0; i < w.size(); ++i)
      rounded[i] = static_cast<int8_t>(std::clamp(std::nearbyint(w[i] / scale[i / inner % channels]), -127.0f, 127.0f));
    g_.set_input(id, 1,
                 emit_.constant<int8_t>(Tensor::from<int8_t>(shape, rounded), scale, static_cast<int64_t>(axis),
                                        node.name + ".weight"));
    QL_CHECK_OK(emit_.status());
    if (node.input(2) != kNoValue && ranges_.count(node.input(0))) quantize_bias(id, node, scale);
    return emit_.status();
  }

  void quantize_bias(NodeId id, const Node& node, const std::vector<float>& weight_scale) {
    std::vector<double> bias = floats_of(fp32_, node.input(2));
    float input_scale = scale_of(ranges_[node.input(0)]);
    std::vector<float> scale(bias.size());
    std::vector<int32_t> rounded(bias.size());
    for (size_t o = 0; o < bias.size(); ++o) {
      scale[o] = input_scale * weight_scale[o % weight_scale.size()];
      rounded[o] = static_cast<int32_t>(std::clamp(std::nearbyint(bias[o] / scale[o]), -2147483000.0, 2147483000.0));
    }
    Tensor q = Tensor::from<int32_t>({static_cast<int64_t>(bias.size())}, rounded);
    ValueId real = emit_.constant<int32_t>(q, scale, 0, node.name + ".bias");
    if (real != kNoValue) g_.set_input(id, 2, real);
  }

  const Graph& fp32_;
  Graph g_;
  QdqEmitter emit_;
  const Profile& profile_;
  const QuantPolicy& policy_;
  QuantReport& report_;
  std::vector<uint32_t> group_;
  std::map<ValueId, Range> ranges_;
};

}  // namespace

Result<Graph> quantize_for_any(const Graph& g, const OpTable& ops, const Profile& profile, const QuantPolicy& policy,
                               QuantReport& report) {
  for (NodeId id : g.order()) report.convs += is_one_of(g[id].op, {"Conv", "ConvTranspose"});
  return AnyForm(g, ops, profile, policy, report).write();
}

}  // namespace quadlane
