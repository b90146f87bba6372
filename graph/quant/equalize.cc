#include "graph/quant/equalize.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "graph/passes/rewrite.h"
#include "graph/quant/bounds.h"
#include "graph/quant/equalize_columns.h"
#include "graph/quant/products.h"

namespace quadlane {
namespace {

// Disjoint sets of the numbers below `size`.
class Sets {
 public:
  explicit Sets(size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), size_t{0}); }
  size_t find(size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(size_t a, size_t b) { parent_[find(a)] = find(b); }

 private:
  std::vector<size_t> parent_;
};

bool has_channels(const Graph& g, ValueId v) {
  return v != kNoValue && !g.constant(v) && g[v].type.dtype == DType::f32 && g[v].type.shape.size() >= 2;
}
size_t channels_of(const Graph& g, ValueId v) { return static_cast<size_t>(g[v].type.shape[1]); }

// Whether all inputs but the first are f32 constants or absent.
bool has_constant_parameters(const Graph& g, const Node& node) {
  return std::all_of(node.inputs.begin() + 1, node.inputs.end(), [&](ValueId v) {
    return v == kNoValue || (g.constant(v) && g.constant(v)->dtype() == DType::f32);
  });
}

bool is_conv(const Graph& g, const Node& node) {
  return is_one_of(node.op, {"Conv", "ConvTranspose"}) && has_constant_parameters(g, node);
}
bool is_batch_norm(const Graph& g, const Node& node) {
  return node.op == "BatchNormalization" && node.outputs.size() == 1 && has_constant_parameters(g, node);
}

// f(x / s) = f(x) / s for each channel, for every s > 0.
bool is_homogeneous(const Graph& g, const Node& node) {
  const bool channels_stay = has_channels(g, node.output()) && has_channels(g, node.input(0)) &&
                             channels_of(g, node.output()) == channels_of(g, node.input(0));
  if (node.outputs.size() != 1 || !channels_stay) return false;
  if (node.op == "PRelu") return has_constant_parameters(g, node);
  if (node.op == "Resize")
    return node.attrs.string_or("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize" &&
           !node.attrs.has("axes") && g[node.input(0)].type.shape[0] == g[node.output()].type.shape[0];
  return is_one_of(node.op,
                   {"Relu", "LeakyRelu", "Identity", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"});
}

constexpr double kMost = 1e6;  // of a factor: weights stay far from the ends of what floats hold

// Channels that must have the same factor are one set, those of constants and of strangers are fixed at 1; values whose
// ranges should become alike are one group.
class Equalizer {
 public:
  Equalizer(const Graph& g, QuantForm form)
      : g_(g),
        first_(first_channels(g)),
        sets_(first_.back()),
        groups_(g.value_capacity()),
        fixed_(first_.back(), false),
        summed_(first_.back(), false) {
    for (ValueId v : g_.inputs()) fix(v);
    for (ValueId v : g_.outputs()) fix(v);
    for (NodeId id : g_.order()) connect(g_[id]);
    for (size_t i = 0; i < fixed_.size(); ++i) {
      if (fixed_[i]) fixed_[sets_.find(i)] = true;
      if (summed_[i]) summed_[sets_.find(i)] = true;
    }
    if (form == QuantForm::for_quadlane)
      for (size_t i = 0; i < fixed_.size(); ++i)
        if (!summed_[i]) fixed_[i] = true;
  }

  bool can() {
    for (NodeId id : g_.order())
      for (ValueId v : g_[id].outputs)
        for (size_t c = 0; has_channels(g_, v) && c < channels_of(g_, v); ++c)
          if (!fixed_[sets_.find(index(v, c))]) return true;
    return false;
  }

  ChannelFactors factors(const Profile& profile, const Headroom& headroom) {
    observe(profile, headroom);
    ChannelFactors factors;
    for (size_t i = 0; i < g_.value_capacity(); ++i) {
      std::vector<double> of_value = factors_of(ValueId{static_cast<uint32_t>(i)});
      if (std::any_of(of_value.begin(), of_value.end(), [](double s) { return s != 1; }))
        factors[g_[ValueId{static_cast<uint32_t>(i)}].name] = std::move(of_value);
    }
    return factors;
  }

 private:
  static std::vector<size_t> first_channels(const Graph& g) {
    std::vector<size_t> first{0};
    for (size_t i = 0; i < g.value_capacity(); ++i) {
      ValueId v{static_cast<uint32_t>(i)};
      first.push_back(first.back() + (has_channels(g, v) ? channels_of(g, v) : 0));
    }
    return first;
  }
  size_t index(ValueId v, size_t c) const { return first_[static_cast<uint32_t>(v)] + c; }

  void fix(ValueId v, size_t from = 0, size_t to = SIZE_MAX) {
    if (!has_channels(g_, v)) return;
    for (size_t c = from; c < std::min(to, channels_of(g_, v)); ++c) fixed_[index(v, c)] = true;
  }
  // Channel c of x and channel c + offset of y.
  void tie(ValueId x, ValueId y, size_t offset = 0) {
    for (size_t c = 0; c < channels_of(g_, x); ++c) sets_.join(index(x, c), index(y, c + offset));
    groups_.join(static_cast<uint32_t>(x), static_cast<uint32_t>(y));
  }

  void connect(const Node& node) {
    if (is_conv(g_, node) || is_batch_norm(g_, node)) return;
    if (is_homogeneous(g_, node)) return tie(node.input(0), node.output());
    if (node.op == "Concat" && node.attrs.int_or("axis", 1) == 1 && has_channels(g_, node.output()))
      return connect_concat(node);
    if (is_one_of(node.op, {"Add", "Sum", "Mul"}) && connect_arithmetic(node)) return;
    for (ValueId v : node.inputs) fix(v);
    for (ValueId v : node.outputs) fix(v);
  }

  void connect_concat(const Node& node) {
    size_t offset = 0;
    for (ValueId v : node.inputs) {
      const size_t count = static_cast<size_t>(g_[v].type.shape[1]);
      if (has_channels(g_, v))
        tie(v, node.output(), offset);
      else
        fix(node.output(), offset, offset + count);
      offset += count;
    }
  }

  // A sum of values of one shape; or a product with something whose channels are fixed.
  bool connect_arithmetic(const Node& node) {
    const ValueId y = node.output();
    const Shape& shape = g_[y].type.shape;
    auto like_y = [&](ValueId v) { return has_channels(g_, v) && g_[v].type.shape == shape; };
    if (node.op != "Mul") {
      if (!std::all_of(node.inputs.begin(), node.inputs.end(), like_y)) return false;
      for (ValueId v : node.inputs) tie(v, y);
      for (size_t c = 0; c < channels_of(g_, y); ++c) summed_[index(y, c)] = true;
      return true;
    }
    const size_t x = like_y(node.input(0)) ? 0 : 1;
    if (!like_y(node.input(x)) || node.input(0) == node.input(1)) return false;
    fix(node.input(1 - x));
    tie(node.input(x), y);
    return true;
  }

  // A value that only a Relu or Clip reads is quantized behind it.
  bool goes_on(ValueId v) const {
    const Use* use = g_.single_use(v);
    return use && is_one_of(g_[use->node].op, {"Relu", "Clip"});
  }

  // The largest number of every set, and of the fixed channels of every group.
  void observe(const Profile& profile, const Headroom& headroom) {
    largest_.assign(fixed_.size(), 0);
    target_.assign(g_.value_capacity(), 0);
    for (size_t i = 0; i < g_.value_capacity(); ++i) {
      const ValueId v{static_cast<uint32_t>(i)};
      const ValueProfile* seen = has_channels(g_, v) ? profile.find(g_[v].name) : nullptr;
      if (!seen || seen->channels() != channels_of(g_, v) || goes_on(v)) continue;
      std::vector<Range> ranges;
      for (size_t c = 0; c < seen->channels(); ++c) ranges.push_back({seen->min[c], seen->max[c]});
      if (g_.producer(v)) add_headroom(headroom, *seen, ranges, bounds_of(g_, v));
      for (size_t c = 0; c < ranges.size(); ++c) {
        const size_t set = sets_.find(index(v, c));
        const double end = std::max(std::abs(double{ranges[c].low}), std::abs(double{ranges[c].high}));
        largest_[set] = std::max(largest_[set], end);
        double& target = target_[groups_.find(i)];
        if (fixed_[set]) target = std::max(target, end);
      }
    }
  }

  std::vector<double> factors_of(ValueId v) {
    if (!has_channels(g_, v)) return {};
    const double target = target_[groups_.find(static_cast<uint32_t>(v))];
    std::vector<double> factors;
    for (size_t c = 0; c < channels_of(g_, v); ++c) {
      const size_t set = sets_.find(index(v, c));
      const bool stays = fixed_[set] || largest_[set] == 0;
      factors.push_back(stays ? 1 : std::clamp(largest_[set] / (target > 0 ? target : 1), 1 / kMost, kMost));
    }
    return factors;
  }

  const Graph& g_;
  std::vector<size_t> first_;         // the index of each value's channel 0
  Sets sets_, groups_;                // of channels, of values
  std::vector<bool> fixed_, summed_;  // of channels, and of every set that has such a one
  std::vector<double> largest_, target_;
};

class Applier {
 public:
  Applier(Graph& g, const ChannelFactors& factors) : g_(g), factors_(factors) {}

  void run() {
    // The values' new names come first: constants must not take them.
    for (size_t i = 0; i < g_.value_capacity(); ++i) {
      const ValueId v{static_cast<uint32_t>(i)};
      const auto of_value = factors_.find(g_[v].name);
      const NodeId producer = g_[v].producer;  // an erased value's name may be another's now
      if (of_value == factors_.end() || producer == kNoNode || !g_.is_live(producer)) continue;
      of_[v] = &of_value->second;
      g_.rename(v, g_[v].name + kEqualizedSuffix);
    }
    for (NodeId id : g_.order()) {
      const Node node = g_[id];
      if (node.outputs.empty() || node.inputs.empty()) continue;
      in_ = find(node.input(0)), out_ = find(node.output());
      if (!in_ && !out_) continue;
      if (is_conv(g_, node)) scale_conv(id, node);
      if (is_batch_norm(g_, node)) scale_batch_norm(id);
    }
    g_.erase_dead();
  }

 private:
  const std::vector<double>* find(ValueId v) const {
    const auto it = of_.find(v);
    return it == of_.end() ? nullptr : it->second;
  }
  double in(size_t c) const { return in_ ? (*in_)[c] : 1; }
  double out(size_t c) const { return out_ ? (*out_)[c] : 1; }

  // Replaces constant input i of a node by factor(index) times itself.
  template <class Factor>
  void scale(NodeId id, size_t i, const Factor& factor) {
    const ValueId v = g_[id].input(i);
    if (v == kNoValue) return;
    std::vector<double> values = floats_of(g_, v);
    for (size_t e = 0; e < values.size(); ++e) values[e] *= factor(e);
    g_.set_input(id, i, add_floats(g_, g_[v].name + kEqualizedSuffix, Shape(g_[v].type.shape), values));
  }

  // Weights are [O, I / group, ...], of a transposed convolution [I, O / group, ...].
  void scale_conv(NodeId id, const Node& node) {
    const Shape shape = g_[node.input(1)].type.shape;
    const bool transposed = node.op == "ConvTranspose";
    const size_t columns = static_cast<size_t>(shape[1]);
    const size_t rows_per_group = static_cast<size_t>(shape[0] / node.attrs.int_or("group", 1));
    size_t taps = 1;
    for (size_t axis = 2; axis < shape.size(); ++axis) taps *= static_cast<size_t>(shape[axis]);
    scale(id, 1, [&](size_t e) {
      const size_t row = e / taps / columns, across = row / rows_per_group * columns + e / taps % columns;
      return transposed ? in(row) / out(across) : in(across) / out(row);
    });
    scale(id, 2, [&](size_t c) { return 1 / out(c); });
  }

  // y = (x - mean) scale / sqrt(variance + epsilon) + shift
  void scale_batch_norm(NodeId id) {
    scale(id, 1, [&](size_t c) { return in(c) / out(c); });
    scale(id, 2, [&](size_t c) { return 1 / out(c); });
    scale(id, 3, [&](size_t c) { return 1 / in(c); });
  }

  Graph& g_;
  const ChannelFactors& factors_;
  std::map<ValueId, const std::vector<double>*> of_;
  const std::vector<double>*in_ = nullptr, *out_ = nullptr;
};

}  // namespace

ChannelFactors equalizing_factors(const Graph& g, const Profile& profile, const QuantPolicy& policy) {
  ChannelFactors factors = Equalizer(g, policy.form).factors(profile, policy.headroom);
  factors.merge(column_factors(g, profile, policy));
  return factors;
}

bool can_equalize(const Graph& g, QuantForm form) { return Equalizer(g, form).can() || can_equalize_columns(g); }

void equalize(Graph& g, const ChannelFactors& factors) {
  equalize_columns(g, factors);
  Applier(g, factors).run();
}

// "x" and "x by columns" become "x_equalized" and "x_equalized by columns".
std::string equalized_name(const std::string& name) {
  const std::string columns = by_columns("");
  const size_t plain = name.size() - columns.size();
  const bool of_columns = name.size() > columns.size() && name.compare(plain, std::string::npos, columns) == 0;
  return of_columns ? by_columns(name.substr(0, plain) + kEqualizedSuffix) : name + kEqualizedSuffix;
}

Profile equalized(const Profile& profile, const ChannelFactors& factors) {
  Profile result = profile;
  for (const auto& [name, of_value] : factors) result.divide(name, of_value, equalized_name(name));
  return result;
}

}  // namespace quadlane
