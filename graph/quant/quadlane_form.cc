// Writes the quantized graph: walks the fp32 graph in order and, beside it, builds the bytes of every stored value and
// the convolutions that read them. What nobody reads any more disappears at the end.
#include "graph/quant/quadlane_form.h"

#include <algorithm>
#include <cmath>

#include "graph/quant/bounds.h"
#include "graph/quant/conv_fold.h"
#include "graph/quant/emit.h"
#include "graph/quant/quadlane_products.h"
#include "graph/quant/scales.h"

namespace quadlane {
namespace {

std::vector<float> to_floats(const std::vector<double>& v) { return {v.begin(), v.end()}; }

class Writer {
 public:
  Writer(const Graph& fp32, const OpTable& ops, const Profile& profile, const QuantPolicy& policy,
         const StoragePlan& plan, QuantProducts& products)
      : fp32_(fp32),
        g_(fp32),
        ops_(ops),
        emit_(g_, ops),
        profile_(profile),
        policy_(policy),
        plan_(plan),
        products_(products) {}

  Result<Graph> write() {
    for (ValueId v : fp32_.inputs()) store(v);
    for (NodeId id : fp32_.order()) {
      if (const QuantConv* conv = plan_.conv(id))
        QL_CHECK_OK(write_conv(*conv));
      else if (is_one_of(fp32_[id].op, {"Conv", "ConvTranspose"}))
        QL_CHECK_OK(write_float_conv(id));
      else if (products_.has(id))
        QL_CHECK_OK(write_product(id));
      for (ValueId v : fp32_[id].outputs) store(v);
      QL_CHECK_OK(emit_.status());
    }
    g_.erase_dead();
    return std::move(g_);
  }

 private:
  // The value that stands for a value of the fp32 graph now.
  ValueId now(ValueId v) const {
    auto it = replaced_.find(v);
    return it == replaced_.end() ? v : it->second;
  }
  const std::string& name(ValueId v) const { return fp32_[v].name; }

  void store(ValueId v) {
    auto found = plan_.stored.find(v);
    if (found == plan_.stored.end()) return;
    const Stored& stored = found->second;
    std::vector<Use> readers = g_[now(v)].uses;
    switch (stored.how) {
      case Storing::quantize: bytes_[v] = quantize(v, plan_.sources[stored.channels[0].source]); break;
      case Storing::move: bytes_[v] = move(v); break;
      case Storing::resample: bytes_[v] = resample(v); break;
    }
    if (!stored.needs_f32 || !emit_.status().ok()) return;
    ValueId real = dequantize(v, stored);
    if (real == kNoValue) return;
    for (const Use& use : readers) g_.set_input(use.node, use.input, real);
  }

  // What a convolution with channel scales writes is in levels already.
  ValueId quantize(ValueId v, const Source& source) {
    if (source.shifted) return emit_.quantize(now(v), {1}, {0}, name(v) + "_quantized");
    ValueId x = now(v);
    // In levels a Clip's bound is another number for each channel, none less than 255: saturation does the same.
    if (source.most < HUGE_VAL) x = emit_.op({name(v) + "_live", "Relu", {}, {now(fp32_.producer(v)->input(0))}});
    if (merges_with_quantizers(v, source)) x = unclamped(x, HUGE_VAL, name(v));
    return emit_.quantize(x, source.in_levels ? std::vector<float>{1} : to_floats(source.scale), source.zero,
                          name(v) + "_quantized");
  }

  // The node that computes v, on the bytes of its inputs.
  Node on_bytes(ValueId v) const {
    Node node = *fp32_.producer(v);
    size_t inputs = node.op == "Concat" ? node.inputs.size() : 1;
    for (size_t i = 0; i < inputs; ++i) node.inputs[i] = bytes_.at(node.inputs[i]);
    return node;
  }
  ValueId move(ValueId v) {
    Node node = on_bytes(v);
    return emit_.op(std::move(node), name(v) + "_quantized");
  }
  ValueId resample(ValueId v) {
    Node node = on_bytes(v);
    node.inputs[0] = emit_.dequantize(node.inputs[0], {1}, {0}, name(v) + "_levels");
    ValueId levels = emit_.op(std::move(node), name(v) + "_resampled");
    return emit_.quantize(levels, {1}, {0}, name(v) + "_quantized");
  }

  ValueId dequantize(ValueId v, const Stored& stored) {
    std::vector<float> scale;
    std::vector<int32_t> zero;
    for (const ChannelRef& ref : stored.channels) {
      scale.push_back(static_cast<float>(plan_.sources[ref.source].scale[ref.channel]));
      zero.push_back(plan_.sources[ref.source].zero[ref.channel]);
    }
    return emit_.dequantize(bytes_[v], scale, zero, name(v) + "_dequantized");
  }

  // The source whose values the convolution computes, itself or through a Relu or slopes.
  const Source* source_of(const Node& conv) const {
    for (const Source& source : plan_.sources) {
      const Node* producer = fp32_.producer(source.value);
      const bool activation = producer && !is_one_of(producer->op, {"Conv", "ConvTranspose"});
      const bool activated = activation && !producer->inputs.empty() && producer->input(0) == conv.output();
      if (source.value == conv.output() || (activated && source.in_levels)) return &source;
    }
    return nullptr;
  }

  // The one scale and zero point of everything the convolution reads, if there is one.
  const Source* uniform_input(const QuantConv& conv, size_t& channel) const {
    const std::vector<ChannelRef>& refs = plan_.stored.at(conv.x).channels;
    const Source& first = plan_.sources[refs[0].source];
    channel = refs[0].channel;
    for (const ChannelRef& ref : refs) {
      const Source& s = plan_.sources[ref.source];
      if (s.free || s.scale[ref.channel] != first.scale[channel] || s.zero[ref.channel] != first.zero[channel])
        return nullptr;
    }
    return &first;
  }

  // Between DequantizeLinear and QuantizeLinear ONNX Runtime makes these an operator that knows one scale only, and
  // fails when it meets several.
  bool merges_with_quantizers(ValueId v, const Source& source) const {
    const Node* node = fp32_.producer(v);
    return node && is_one_of(node->op, {"LeakyRelu", "Sigmoid"}) && source.per_channel && !source.in_levels;
  }

  // A maximum that binds nothing: no level lies 256 below another. Without it ONNX Runtime merges DequantizeLinear and
  // Conv into an operator that knows one zero point for all channels only, and whose 16-bit sums saturate on CPUs
  // without VNNI.
  ValueId unclamped(ValueId levels, float unit, const std::string& prefix) {
    ValueId low = g_.add_constant(prefix + ".least", Tensor::scalar<float>(-256 * unit));
    return emit_.op({prefix + ".levels", "Max", {}, {levels, low}});
  }

  // DequantizeLinear and the clamp in front of the convolution; `unit` is what one level means in it.
  ValueId read_input(const QuantConv& conv, const FoldedConv& folded, const std::string& prefix, float& unit) {
    size_t channel = 0;
    const Source* uniform = conv.clamps ? nullptr : uniform_input(conv, channel);
    bool plain = uniform && conv.x == fp32_[conv.node].input(0);
    unit = plain ? static_cast<float>(uniform->scale[channel]) : 1.0f;
    ValueId levels = emit_.dequantize(bytes_.at(conv.x), {unit}, folded.zero, prefix + ".input");
    if (!conv.clamps) return conv.f32 ? levels : unclamped(levels, unit, prefix);
    bool bounded = false;
    std::vector<float> least, most;
    for (size_t c = 0; c < folded.zero.size(); ++c) {
      float reach = static_cast<float>(folded.reach[c]);
      least.push_back(folded.negative[c] ? -reach : 0);
      most.push_back(folded.negative[c] ? 0 : reach);
      bounded |= folded.negative[c] || reach < 255;
    }
    if (!bounded) return emit_.op({prefix + ".live", "Relu", {}, {levels}});
    Shape shape{1, static_cast<int64_t>(least.size()), 1, 1};
    ValueId low = g_.add_constant(prefix + ".least", Tensor::from<float>(shape, least));
    ValueId high = g_.add_constant(prefix + ".most", Tensor::from<float>(shape, most));
    return emit_.op({prefix + ".live", "Min", {}, {emit_.op({prefix + ".max", "Max", {}, {levels, low}}), high}});
  }

  Status write_conv(const QuantConv& conv) {
    Node node = fp32_[conv.node];
    const Source* source = source_of(node);
    std::vector<double> shift;
    if (source && source->shifted)
      for (double low : source->low) shift.push_back(-low);
    FoldedConv folded = fold_conv(fp32_, plan_, conv, shift, profile_.find(name(node.input(0))), policy_);
    if (source && source->in_levels)
      for (size_t o = 0; o < folded.scale.size(); ++o) folded.scale[o] /= static_cast<float>(source->scale[o]);
    float unit = 1;
    node.inputs.resize(3, kNoValue);
    node.inputs[0] = read_input(conv, folded, node.name, unit);
    if (conv.f32) return write_float_weights(node, folded.weights, folded.bias.span<float>(), folded.scale, unit);
    std::vector<float> scale = folded.scale;
    for (float& s : scale) s /= unit;
    // Weights of a transposed convolution are [C, O / group, ...]: the groups share their scales.
    if (conv.transposed) scale.resize(scale.size() / static_cast<size_t>(conv.window.group));
    node.inputs[1] = emit_.constant<int8_t>(folded.weights, scale, conv.transposed ? 1 : 0, node.name + ".weight");
    node.inputs[2] = emit_.constant<int32_t>(folded.bias, folded.scale, 0, node.name + ".bias");
    const ValueId old = node.output();
    return replace(old, emit_.op(std::move(node), name(old) + "_int8"));
  }

  // A convolution in fp32 that reads fp32: its weights and bias carry the levels its results are stored in, and its
  // bias what the policy shifts it by.
  Status write_float_conv(NodeId id) {
    Node node = fp32_[id];
    const Source* source = source_of(node);
    const bool levels = source && source->in_levels, moved = levels && source->shifted;
    const auto extra = policy_.bias_shift.find(node.name);
    if (!levels && (extra == policy_.bias_shift.end() || !fp32_.constant(node.input(1)))) return {};
    std::vector<double> bias = floats_of(fp32_, node.input(2));
    bias.resize(static_cast<size_t>(fp32_[node.output()].type.shape[1]), 0);
    std::vector<float> shifted, factor;
    for (size_t o = 0; o < bias.size(); ++o) {
      if (extra != policy_.bias_shift.end() && o < extra->second.size()) bias[o] += extra->second[o];
      shifted.push_back(static_cast<float>(bias[o] - (moved ? source->low[o] : 0)));
      factor.push_back(levels ? static_cast<float>(1 / source->scale[o]) : 1.0f);
    }
    node.inputs.resize(3, kNoValue);
    node.inputs[0] = g_[id].input(0);  // what it reads may have been replaced
    return write_float_weights(node, *fp32_.constant(node.input(1)), shifted, factor, 1);
  }

  // `factor` of each output goes into weights and bias, 1 / `unit` of the input into the weights.
  Status write_float_weights(Node node, const Tensor& weights, std::span<const float> bias,
                             const std::vector<float>& factor, float unit) {
    const size_t axis = node.op == "Conv" ? 0 : 1, outputs = factor.size();
    const size_t inner = static_cast<size_t>(weights.count() / weights.shape()[0] / (axis ? weights.shape()[1] : 1));
    std::vector<float> w(weights.span<float>().begin(), weights.span<float>().end()), b(bias.begin(), bias.end());
    for (size_t i = 0; i < w.size(); ++i) w[i] *= factor[i / inner % outputs] / unit;
    for (size_t o = 0; o < outputs; ++o) b[o] *= factor[o];
    node.inputs[1] = g_.add_constant(node.name + ".weight", Tensor::from<float>(weights.shape(), w));
    node.inputs[2] = g_.add_constant(node.name + ".bias", Tensor::from<float>({static_cast<int64_t>(outputs)}, b));
    const ValueId old = node.output();
    return replace(old, emit_.op(std::move(node), name(old) + "_f32"));
  }

  Status write_product(NodeId id) {
    QL_TRY(const ValueId fresh, products_.write(id, g_, emit_));
    return replace(fp32_[id].output(), fresh);
  }

  Status replace(ValueId old, ValueId fresh) {
    QL_CHECK_OK(emit_.status());
    g_.replace_uses(old, fresh);
    replaced_[old] = fresh;
    return {};
  }

  const Graph& fp32_;
  Graph g_;
  const OpTable& ops_;
  QdqEmitter emit_;
  const Profile& profile_;
  const QuantPolicy& policy_;
  const StoragePlan& plan_;
  QuantProducts& products_;
  std::map<ValueId, ValueId> bytes_, replaced_;
};

}  // namespace

Result<Graph> quantize_for_quadlane(const Graph& g, const OpTable& ops, const Profile& profile,
                                    const QuantPolicy& policy, QuantReport& report) {
  StoragePlan plan = plan_storage(g, policy, report);
  QL_CHECK_OK(choose_scales(g, ops, profile, policy, plan));
  for (const Source& source : plan.sources)
    report.values.push_back({g[source.value].name, source.scale, source.low, !g.producer(source.value),
                             bounds_of(g, source.value), source.free || source.most < HUGE_VAL});
  QuantProducts products(g, profile, policy);
  QL_CHECK_OK(products.plan(plan, report));
  return Writer(g, ops, profile, policy, plan, products).write();
}

}  // namespace quadlane
