#include "graph/quant/storage.h"

#include <algorithm>
#include <cmath>

#include "graph/passes/affine.h"
#include "graph/passes/conv_node.h"
#include "graph/quant/gates.h"

namespace quadlane {
namespace {

bool is_clamp(const Node& node) { return is_one_of(node.op, {"Relu", "Clip"}); }

bool is_image(const Graph& g, ValueId v) { return g[v].type.dtype == DType::f32 && g[v].type.shape.size() == 4; }

// Whether the producer of x quantizes behind a Relu anyway, so that a Relu in front of the reader is not the reader's.
bool producer_takes_clamp(const Graph& g, ValueId x) {
  const Node* node = g.producer(x);
  return node && g.single_use(x) && is_one_of(node->op, {"Conv", "ConvTranspose", "Add", "BatchNormalization"});
}

Storing storing_of(const Graph& g, ValueId v) {
  const Node* node = g.producer(v);
  if (!node || node->outputs.size() != 1) return Storing::quantize;
  if (node->op == "Concat" && axis_of(g, *node) == 1) {
    bool constants = std::any_of(node->inputs.begin(), node->inputs.end(), [&](ValueId in) { return g.constant(in); });
    return constants ? Storing::quantize : Storing::move;
  }
  if (node->op == "MaxPool") return Storing::move;
  if (node->op == "AveragePool") {
    std::optional<Window2d> w = window2d(g, *node);
    bool mean_of_pixels = w && (!w->padded() || node->attrs.int_or("count_include_pad", 0) == 0);
    return mean_of_pixels && node->attrs.int_or("ceil_mode", 0) == 0 ? Storing::resample : Storing::quantize;
  }
  if (node->op != "Resize" || node->attrs.has("axes")) return Storing::quantize;
  std::string mode = node->attrs.string_or("mode", "nearest");
  bool plain = node->attrs.string_or("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize" &&
               node->attrs.int_or("antialias", 0) == 0;
  const Shape &in = g[node->input(0)].type.shape, &out = g[v].type.shape;
  bool spatial = in.size() == 4 && in[0] == out[0] && in[1] == out[1];
  return plain && spatial && (mode == "nearest" || mode == "linear") ? Storing::resample : Storing::quantize;
}

// The one value a chain or small graph of elementwise operators with scalar constants is a function of.
bool function_root(const Graph& g, ValueId v, ValueId top, ValueId& root, int depth = 0) {
  if (v == kNoValue || scalar_constant(g, v)) return true;
  const Node* node = g.producer(v);
  bool inner = node && is_elementwise(node->op) && depth < 8 && !g.is_output(v) && (v == top || g.single_use(v));
  if (!inner || (node->op == "Clip" && v != top && !producer_takes_clamp(g, node->input(0)))) {
    if (root != kNoValue && root != v) return false;
    root = v;
    return true;
  }
  for (ValueId in : node->inputs)
    if (!function_root(g, in, top, root, depth + 1)) return false;
  return true;
}

class Planner {
 public:
  Planner(const Graph& g, const QuantPolicy& policy, QuantReport& report) : g_(g), policy_(policy), report_(report) {}

  StoragePlan plan() {
    for (NodeId id : g_.order())
      if (is_one_of(g_[id].op, {"Conv", "ConvTranspose"})) add_conv(id);
    if (!gates_.empty())
      report_.notes.push_back(cat(gates_.size(), " convolutions compute gates of channels and stay in fp32"));
    for (const QuantConv& conv : plan_.convs) demand(conv.x);
    for (ValueId map : pooled_)
      if (is_made_of_bytes(map)) demand_activation(map);
    for (QuantConv& conv : kept_) add_kept(std::move(conv));
    for (auto& [value, stored] : plan_.stored) stored.needs_f32 = needs_f32(value);
    for (auto& [value, stored] : plan_.stored) stored.only_tables = stored.needs_f32 && read_by_tables(value);
    connect_readers();
    for (size_t s = 0; s < plan_.sources.size(); ++s) classify(s);
    return std::move(plan_);
  }

 private:
  void note(const Node& node, const char* why) { report_.notes.push_back(cat(node.name, ": ", why)); }

  void add_conv(NodeId id) {
    const Node& node = g_[id];
    ++report_.layers;
    if (computes_gates(g_, node)) return add_gate(node);
    std::optional<Window2d> window = conv_window(g_, node);
    const Tensor* weights = g_.constant(node.input(1));
    if (!window) return note(node, "is no image convolution with explicit pads");
    if (!weights || weights->dtype() != DType::f32) return note(node, "its weights are no f32 constant");
    if (node.input(2) != kNoValue && !g_.constant(node.input(2))) return note(node, "its bias is no constant");
    QuantConv conv{id, is_kept(node)};
    conv.transposed = node.op == "ConvTranspose";
    conv.window = *window;
    read_input(node.input(0), conv);
    conv.exact_zero = conv.x == node.input(0) && (window->padded() || conv.transposed);
    if (conv.f32) note(node, policy_.why_kept(node.name));
    if (!conv.f32) report_.int8.push_back(node.name);
    (conv.f32 ? kept_ : plan_.convs).push_back(std::move(conv));
  }

  void add_gate(const Node& conv) {
    gates_.push_back(conv.output());
    if (const Node* pool = producer_of(g_, conv.input(0), "GlobalAveragePool")) pooled_.push_back(pool->input(0));
  }
  // A sum or product of stored values, which bytes take less time to add up than floats.
  bool is_made_of_bytes(ValueId map) const {
    const Node* node = g_.producer(map);
    if (node && is_clamp(*node)) node = g_.producer(node->input(0));
    return node && is_one_of(node->op, {"Add", "Mul"}) &&
           std::all_of(node->inputs.begin(), node->inputs.end(), [&](ValueId in) { return plan_.stored.count(in) > 0; });
  }
  bool is_gate(ValueId v) const { return std::find(gates_.begin(), gates_.end(), v) != gates_.end(); }
  bool is_kept(const Node& node) const { return policy_.keep_f32.count(node.name) > 0; }

  // A convolution that stays in fp32 reads bytes only where some are stored anyway: all else is at hand in fp32.
  void add_kept(QuantConv conv) {
    if (!touches_stored(conv.x)) return;
    demand(conv.x);
    plan_.convs.push_back(std::move(conv));
  }
  bool touches_stored(ValueId v) const {
    if (plan_.stored.count(v)) return true;
    if (!is_image(g_, v) || storing_of(g_, v) == Storing::quantize) return false;
    const Node& node = *g_.producer(v);
    const size_t inputs = node.op == "Concat" ? node.inputs.size() : 1;
    return std::any_of(node.inputs.begin(), node.inputs.begin() + static_cast<ptrdiff_t>(inputs),
                       [&](ValueId in) { return touches_stored(in); });
  }

  // Thresholds where the chain in front has that form, else the value as it is.
  void read_input(ValueId v, QuantConv& conv) {
    PreActivation p = pre_activation(g_, v);
    bool takes = p.x != v && (p.scales || !producer_takes_clamp(g_, p.x)) && !g_.is_output(v);
    std::optional<Thresholds> t;
    if (takes) t = thresholds(p);
    bool constants = t && std::any_of(t->constant.begin(), t->constant.end(), [](double c) { return c != 0; });
    if (constants && (conv.window.padded() || conv.transposed)) t.reset();
    if (!t) {
      p = PreActivation{v};
      size_t channels = static_cast<size_t>(g_[v].type.shape[1]);
      p.scale.assign(channels, 1);
      p.shift.assign(channels, 0);
      p.lo = -HUGE_VAL, p.hi = HUGE_VAL;
      t = thresholds(p);
    }
    conv.x = p.x;
    conv.clamps = p.clamps;
    conv.pre = *std::move(t);
  }

  void demand(ValueId v) {
    if (plan_.stored.count(v)) return;
    Stored stored{is_image(g_, v) ? storing_of(g_, v) : Storing::quantize, {}};
    if (stored.how == Storing::quantize) {
      size_t channels = g_[v].type.shape.size() < 2 ? 1 : static_cast<size_t>(g_[v].type.shape[1]);
      for (size_t c = 0; c < channels; ++c) stored.channels.push_back({plan_.sources.size(), c});
      plan_.sources.push_back({v});
      plan_.stored[v] = std::move(stored);
      demand_operands(v);
      return;
    }
    const Node& node = *g_.producer(v);
    size_t inputs = node.op == "Concat" ? node.inputs.size() : 1;
    for (size_t i = 0; i < inputs; ++i) {
      demand(node.input(i));
      const std::vector<ChannelRef>& part = plan_.stored[node.input(i)].channels;
      stored.channels.insert(stored.channels.end(), part.begin(), part.end());
    }
    bool averages = stored.how == Storing::resample && node.attrs.string_or("mode", "linear") == "linear";
    for (ChannelRef& ref : stored.channels) ref.averaged |= averages;
    plan_.stored[v] = std::move(stored);
  }

  // What an operator that computes v on bytes reads besides convolutions.
  void demand_operands(ValueId v) {
    ValueId before = v;
    const Node* node = g_.producer(before);
    if (node && is_clamp(*node) && g_.single_use(node->input(0))) node = g_.producer(before = node->input(0));
    if (!node) return;
    if (becomes_slopes(*node)) return;
    if (std::optional<Affine> affine = as_affine(g_, *node)) return demand_activation(affine->x);
    if (is_one_of(node->op, {"AveragePool", "GlobalAveragePool"})) return demand_activation(node->input(0));
    if (node->op == "Add" || node->op == "Mul") {
      ValueId a = node->input(0), b = node->input(1), root = kNoValue;
      if (function_root(g_, before, before, root) && root != kNoValue && root != before)
        return demand_function(v, root);
      if (g_.constant(a) || g_.constant(b)) return;
      const Node *ca = residual_conv(*node, a), *cb = residual_conv(*node, b);
      if (!ca || cb) demand_activation(a);  // of two convolutions the second takes the first one's result
      if (!cb) demand_activation(b);
      return;
    }
    ValueId root = kNoValue;
    if (is_elementwise(node->op) && function_root(g_, before, before, root) && root != kNoValue && root != before)
      demand_function(v, root);
  }
  void demand_function(ValueId v, ValueId root) {
    if (g_[root].type.dtype != DType::f32 || g_.constant(root) || is_gate(root)) return;
    if (g_[root].type.shape == g_[v].type.shape) plan_.sources[plan_.stored[v].channels[0].source].function_of = root;
    demand(root);
  }
  void demand_activation(ValueId v) {
    if (g_[v].type.dtype == DType::f32 && !g_.constant(v)) demand(v);
  }
  const Node* residual_conv(const Node& add, ValueId v) {
    const Node* conv = add.op == "Add" && g_.single_use(v) ? producer_of(g_, v, "Conv") : nullptr;
    return conv && plan_.conv(g_[v].producer) ? conv : nullptr;
  }

  // Whether anybody reads v as a number. Convolutions on bytes, and what only they read, do not.
  bool needs_f32(ValueId v) {
    if (g_.is_output(v)) return true;
    for (const Use& use : g_[v].uses) {
      const Node& node = g_[use.node];
      if (use.input == 0 && plan_.conv(use.node)) continue;
      auto stored = plan_.stored.find(node.outputs[0]);
      if (stored != plan_.stored.end()) {
        if (stored->second.how == Storing::quantize) return true;
        continue;
      }
      if (!is_clamp(node) && !as_affine(g_, node)) return true;
      if (needs_f32(node.outputs[0])) return true;
    }
    return false;
  }

  // Whether all that reads v as a number ends in a function of it that becomes a table.
  bool read_by_tables(ValueId v) const {
    if (g_.is_output(v)) return false;
    return std::all_of(g_[v].uses.begin(), g_[v].uses.end(), [&](const Use& use) {
      if (use.input == 0 && plan_.conv(use.node)) return true;
      const ValueId out = g_[use.node].outputs[0];
      auto stored = plan_.stored.find(out);
      if (stored == plan_.stored.end())
        return is_elementwise(g_[use.node].op) && g_[use.node].outputs.size() == 1 && inside_tables_of(v, out);
      return stored->second.how != Storing::quantize || is_table_of(v, out);
    });
  }
  bool is_table_of(ValueId root, ValueId v) const {
    return plan_.sources[plan_.stored.at(v).channels[0].source].function_of == root;
  }
  // Whether everything behind `inner` leads to a table of the root.
  bool inside_tables_of(ValueId root, ValueId inner) const {
    if (g_.is_output(inner) || g_[inner].uses.empty()) return false;
    return std::all_of(g_[inner].uses.begin(), g_[inner].uses.end(), [&](const Use& use) {
      const ValueId out = g_[use.node].outputs[0];
      if (plan_.stored.count(out)) return is_table_of(root, out);
      return is_elementwise(g_[use.node].op) && inside_tables_of(root, out);
    });
  }

  // Whether the convolution in front applies it to its sums, so that there is nothing to be stored between the two.
  bool becomes_slopes(const Node& node) const {
    const Node* conv = node.inputs.empty() ? nullptr : g_.producer(node.input(0));
    return conv && g_.single_use(node.input(0)) && slopes_behind(g_, *conv, node);
  }

  void connect_readers() {
    plan_.readers.resize(plan_.sources.size());
    for (size_t s = 0; s < plan_.sources.size(); ++s) {
      const Shape& shape = g_[plan_.sources[s].value].type.shape;
      plan_.readers[s].resize(shape.size() < 2 ? 1 : static_cast<size_t>(shape[1]));
    }
    for (size_t j = 0; j < plan_.convs.size(); ++j) {
      const std::vector<ChannelRef>& channels = plan_.stored[plan_.convs[j].x].channels;
      for (size_t c = 0; c < channels.size(); ++c)
        plan_.readers[channels[c].source][channels[c].channel].push_back({j, c, channels[c].averaged});
    }
  }

  // A convolution whose outputs may each have a scale: not where groups share the scales of their weights. One that
  // stays in fp32 has them too, if its weights can carry them.
  bool has_output_scales(NodeId id) const {
    const Node& node = g_[id];
    if (!is_one_of(node.op, {"Conv", "ConvTranspose"})) return false;
    const bool constant = g_.constant(node.input(1)) && (node.input(2) == kNoValue || g_.constant(node.input(2)));
    return constant && (plan_.conv(id) || is_kept(node)) && (node.op == "Conv" || node.attrs.int_or("group", 1) == 1);
  }

  // The upper bound of a Clip from 0.
  std::optional<double> upper_bound(const Node& clip) const {
    if (clip.op != "Clip" || clip.input(1) == kNoValue || clip.input(2) == kNoValue) return {};
    const std::optional<double> low = scalar_constant(g_, clip.input(1)), high = scalar_constant(g_, clip.input(2));
    return low && high && *low == 0 && *high > 0 ? high : std::nullopt;
  }
  // Whether an operator behind a convolution whose outputs may each have a scale works on levels as on numbers: a Relu,
  // slopes, or a Clip from 0 to what the largest byte means at most.
  bool follows_channels(const Node& node) const {
    if (node.op != "Relu" && !becomes_slopes(node) && !upper_bound(node)) return false;
    const ValueId x = node.input(0);
    return g_.producer(x) && g_.single_use(x) && has_output_scales(g_[x].producer);
  }

  // How a source's levels may lie, from the producer and all readers of any value that has channels of the source.
  void classify(size_t s) {
    Source& source = plan_.sources[s];
    bool bytes_only = true, tables = false, zero = false;
    for (const auto& [value, stored] : plan_.stored)
      for (const ChannelRef& ref : stored.channels) {
        if (ref.source != s) continue;
        bytes_only &= !stored.needs_f32 || stored.only_tables;
        tables |= stored.only_tables;
      }
    for (const auto& channel : plan_.readers[s])
      for (const Reader& r : channel) zero |= plan_.convs[r.conv].exact_zero;
    const Node* producer = g_.producer(source.value);
    bool conv = producer && has_output_scales(g_[source.value].producer);
    bool activated = producer && follows_channels(*producer);
    bool from_f32 = !producer && is_image(g_, source.value);
    bool function = source.function_of != kNoValue && g_[source.value].type.shape.size() > 1;
    source.per_channel = policy_.channel_scales && bytes_only && (conv || activated || from_f32 || function);
    source.in_levels = source.per_channel && (conv || activated);
    if (source.in_levels && producer->op == "Clip") source.most = *upper_bound(*producer);
    source.shifted = source.per_channel && conv && (!zero || tables);
    source.free = source.shifted && !zero && !tables;
  }

  const Graph& g_;
  const QuantPolicy& policy_;
  QuantReport& report_;
  StoragePlan plan_;
  std::vector<QuantConv> kept_;
  std::vector<ValueId> gates_;   // results of convolutions that stay in fp32 for what they are
  std::vector<ValueId> pooled_;  // the maps whose means they read
};

}  // namespace

StoragePlan plan_storage(const Graph& g, const QuantPolicy& policy, QuantReport& report) {
  return Planner(g, policy, report).plan();
}

}  // namespace quadlane
