// QuantizeLinear -> DequantizeLinear on every activation edge that an integer operator reads or writes, as the common
// tools write it:
//
//   DQ(x u8, one scale) -> Conv(DQ(w s8, per channel), DQ(bias s32)) [-> Relu] -> Q;  Gemm likewise
//   DQ(x u8, one scale) -> MatMul(DQ(w s8, per column)) [-> Add constant] [-> Relu] -> Q
//   DQ -> MaxPool, Concat (that integer operators read), nearest Resize -> Q with equal scales in and out, so that
//   engines can drop the pairs around them
//   DQ -> linear Resize -> Q, the scale out by 2^-12 finer than in
//   DQ, DQ -> Add -> Q;  DQ -> BatchNormalization -> Q, or -> Relu -> Q
#include "graph/quant/any_form.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "graph/passes/conv_node.h"
#include "graph/quant/any_weights.h"
#include "graph/quant/bounds.h"
#include "graph/quant/emit.h"
#include "graph/quant/products.h"

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
    // Sums and pools are bytes between layers on bytes; where none is left (--max-drop keeps all), nothing is rounded.
    const std::vector<NodeId> order = fp32_.order();
    if (std::none_of(order.begin(), order.end(), [&](NodeId id) { return is_quantized(id); })) return std::move(g_);
    for (NodeId id : order) tie_scales(fp32_[id]);
    QL_CHECK_OK(observe_ranges());
    for (NodeId id : fp32_.order())
      if (is_quantized(id)) QL_CHECK_OK(quantize_weights(id));
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
    if (is_mover(node) && wants_bytes(node.outputs[0])) tie(node.input(0), node.outputs[0]);
    if (node.op == "Concat" && is_read_as_bytes(node.outputs[0]))
      for (ValueId v : node.inputs) tie(v, node.outputs[0]);
  }

  // Between equal scales ONNX Runtime drops the pairs around a linear Resize and cuts off the fractions of bytes, half
  // a level of bias at each. A scale just beside makes it interpolate in floats and round. And averages of bytes are
  // often exact halves, which the last bit of a float would round up or down: this factor lies far enough from 1 to
  // decide them alike in all engines, and moves no value of a byte by a 16th of a level.
  static constexpr double kOffTies = 1 - 1 / 4096.0;
  bool is_interpolated(ValueId v) const {
    const Node* node = producer_of(fp32_, v, "Resize");
    return node && node->attrs.string_or("mode", "nearest") == "linear";
  }

  static bool is_mover(const Node& node) {
    return is_one_of(node.op, {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"});
  }
  bool is_quantized(NodeId id) { return is_quantized_conv(id) || is_quantized_product(fp32_[id]); }
  bool is_quantized_product(const Node& node) {
    return is_quantizable_product(fp32_, node) && !policy_.keep_f32.count(node.name);
  }

  bool is_quantized_conv(NodeId id) {
    const Node& node = fp32_[id];
    if (!is_one_of(node.op, {"Conv", "ConvTranspose"})) return false;
    const Tensor* w = fp32_.constant(node.input(1));
    bool bias = node.input(2) == kNoValue || fp32_.constant(node.input(2));
    return has_window(node) && w && w->dtype() == DType::f32 && bias && !policy_.keep_f32.count(node.name);
  }

  // Explicit pads, as all of images have after the passes; convolutions of sequences and volumes have no Window2d.
  bool has_window(const Node& node) const {
    const size_t rank = fp32_[node.input(0)].type.shape.size();
    const bool explicit_pads = node.attrs.string_or("auto_pad", "NOTSET") == "NOTSET";
    return rank == 4 ? conv_window(fp32_, node).has_value() : (rank == 3 || rank == 5) && explicit_pads;
  }

  // Whether v should be bytes: an operator that engines run in integers reads it, or a convolution on bytes writes it
  // (without a QuantizeLinear behind it engines run that one in floats). A concat that only batch norms read stays in
  // floats: one scale for all its parts would leave little of the small ones, which the batch norm multiplies.
  bool wants_bytes(ValueId v) {
    auto [known, first] = wants_.try_emplace(v, false);
    if (first) known->second = decides_on_bytes(v);
    return known->second;
  }
  bool decides_on_bytes(ValueId v) {
    const Value& value = fp32_[v];
    if (value.type.dtype != DType::f32 || value.constant || goes_on(v)) return false;
    const size_t rank = value.type.shape.size();
    if ((rank < 3 || rank > 5) && !touches_product(v)) return false;
    return is_read_as_bytes(v) || (!fp32_.is_output(v) && is_written_as_bytes(v));
  }
  // What a fully connected layer reads or writes need not be an image.
  bool touches_product(ValueId v) {
    const std::vector<Use>& uses = fp32_[v].uses;
    return is_written_as_bytes(v) || std::any_of(uses.begin(), uses.end(), [&](const Use& use) {
             const Node& node = fp32_[use.node];
             return use.input == 0 && (is_quantized_product(node) || (is_mover(node) && wants_bytes(node.outputs[0])));
           });
  }
  bool is_read_as_bytes(ValueId v) {
    const std::vector<Use>& uses = fp32_[v].uses;
    return std::any_of(uses.begin(), uses.end(), [&](const Use& use) {
      const Node& node = fp32_[use.node];
      if (use.input == 0 && is_quantized(use.node)) return true;
      if (is_mover(node)) return use.input == 0 && wants_bytes(node.outputs[0]);
      if (node.op == "Concat") return is_read_as_bytes(node.outputs[0]);
      if (node.op == "Resize") return use.input == 0;
      return is_one_of(node.op, {"MaxPool", "Add", "Mul", "AveragePool", "GlobalAveragePool"});
    });
  }
  bool is_written_as_bytes(ValueId v) {
    const Value& value = fp32_[v];
    if (value.producer == kNoNode) return false;
    const Node& node = fp32_[value.producer];
    for (ValueId in : node.inputs)
      if (in != kNoValue && !fp32_.constant(in) && goes_on(in)) return is_written_as_bytes(in);
    return is_quantized(value.producer) || is_one_of(node.op, {"MaxPool", "Resize"});
  }
  // A value that only a Relu or Clip reads is quantized behind it; a product to which a constant is added, behind that.
  bool goes_on(ValueId v) const {
    const Use* use = fp32_.single_use(v);
    if (!use) return false;
    const Node& reader = fp32_[use->node];
    if (is_one_of(reader.op, {"Relu", "Clip"})) return true;
    return reader.op == "Add" && producer_of(fp32_, v, "MatMul") && fp32_.constant(reader.input(1 - use->input));
  }

  Status observe_ranges() {
    std::map<uint32_t, Range> groups;
    for (size_t i = 0; i < fp32_.value_capacity(); ++i) {
      ValueId v{static_cast<uint32_t>(i)};
      bool live = fp32_[v].producer == kNoNode || fp32_.is_live(fp32_[v].producer);
      if (!live || !wants_bytes(v)) continue;
      const ValueProfile* seen = profile_.find(fp32_[v].name);
      if (!seen) return invalid_argument("the calibration profile has no value '", fp32_[v].name, "'");
      QL_TRY(std::vector<Range> chosen, policy_.ranges(fp32_[v].name, *seen, true));
      if (fp32_.producer(v)) add_headroom(policy_.headroom, *seen, chosen, bounds_of(fp32_, v));
      Range& r = groups[find(v)];  // reaches 0
      r.low = std::min(r.low, chosen[0].low);
      r.high = std::max(r.high, chosen[0].high);
      ranges_[v] = {};
    }
    for (auto& [v, range] : ranges_) {
      range = groups[find(v)];
      if (is_interpolated(v)) range = {range.low * kOffTies, range.high * kOffTies};
      report_.values.push_back({fp32_[v].name,
                                {byte_scale(range).scale},
                                {byte_scale(range).low()},
                                !fp32_.producer(v),
                                bounds_of(fp32_, v)});
    }
    return {};
  }

  void quantize_value(ValueId v) {
    const ByteScale bytes = byte_scale(ranges_[v]);
    std::vector<Use> readers = g_[v].uses;
    const std::string name = fp32_[v].name;
    ValueId q = emit_.quantize(v, {bytes.scale}, {bytes.zero}, name + "_quantized");
    ValueId real = emit_.dequantize(q, {bytes.scale}, {bytes.zero}, name + "_dequantized");
    if (real == kNoValue) return;
    for (const Use& use : readers) g_.set_input(use.node, use.input, real);
  }

  Status quantize_weights(NodeId id) {
    const Node node = fp32_[id];
    report_.int8.push_back(node.name);
    const bool reads_bytes = ranges_.count(node.input(0));
    const std::vector<double> means = reads_bytes && policy_.bias_correction ? means_of(node) : std::vector<double>();
    const bool has_bias = reads_bytes && (node.input(2) != kNoValue || !means.empty());
    RoundedWeights rounded =
        round_weights(fp32_, node, has_bias ? byte_scale(ranges_[node.input(0)]).scale : 0, means,
                      policy_.moments ? policy_.moments->find(node.name) : nullptr, policy_.parallel);
    g_.set_input(id, 1, emit_.constant<int8_t>(rounded.weights, rounded.scale, rounded.axis, node.name + ".weight"));
    QL_CHECK_OK(emit_.status());
    if (has_bias) quantize_bias(id, node, rounded);
    return emit_.status();
  }

  // Of the channels of what a convolution or Gemm reads; empty where they are not known.
  std::vector<double> means_of(const Node& node) const {
    const ValueProfile* seen = profile_.find(fp32_[node.input(0)].name);
    const Shape& x = fp32_[node.input(0)].type.shape;
    const bool known = seen && x.size() >= 2 && seen->channels() == static_cast<size_t>(x[1]);
    return known && (node.op != "Gemm" || x.size() == 2) && node.op != "MatMul" ? seen->mean : std::vector<double>();
  }

  void quantize_bias(NodeId id, const Node& node, const RoundedWeights& weights) {
    const float input_scale = byte_scale(ranges_[node.input(0)]).scale;
    std::vector<float> scale(weights.bias.size());
    std::vector<int32_t> rounded(weights.bias.size());
    for (size_t o = 0; o < rounded.size(); ++o) {
      scale[o] = input_scale * weights.scale[o % weights.scale.size()];
      rounded[o] =
          static_cast<int32_t>(std::clamp(std::nearbyint(weights.bias[o] / scale[o]), -2147483000.0, 2147483000.0));
    }
    Tensor q = Tensor::from<int32_t>({static_cast<int64_t>(rounded.size())}, rounded);
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
  std::map<ValueId, bool> wants_;  // what was decided: movers ask for the values behind them again and again
};

}  // namespace

Result<Graph> quantize_for_any(const Graph& g, const OpTable& ops, const Profile& profile, const QuantPolicy& policy,
                               QuantReport& report) {
  for (NodeId id : g.order()) {
    if (!is_one_of(g[id].op, {"Conv", "ConvTranspose"}) && !is_quantizable_product(g, g[id])) continue;
    ++report.layers;
    if (policy.keep_f32.count(g[id].name)) report.notes.push_back(cat(g[id].name, ": ", policy.why_kept(g[id].name)));
  }
  return AnyForm(g, ops, profile, policy, report).write();
}

}  // namespace quadlane
