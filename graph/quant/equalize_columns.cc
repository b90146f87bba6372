#include "graph/quant/equalize_columns.h"

#include <algorithm>
#include <cmath>

#include "graph/quant/bounds.h"
#include "graph/quant/products.h"

namespace quadlane {
namespace {

constexpr double kLeast = 1e-6;  // of the largest range: columns that hardly take on anything

// One element for each of the last axis of a value.
bool lies_along_columns(const Graph& g, ValueId constant, ValueId like) {
  const Tensor* t = g.constant(constant);
  const int64_t columns = g[like].type.shape.back();
  return t && t->dtype() == DType::f32 && !t->shape().empty() && t->count() == columns && t->shape().back() == columns;
}

// Which input of a Mul or Add is such a constant; -1: none.
int constant_side(const Graph& g, const Node& node) {
  if (lies_along_columns(g, node.input(0), node.output())) return 0;
  return lies_along_columns(g, node.input(1), node.output()) ? 1 : -1;
}

bool is_layer_norm(const Graph& g, const Node& node) {
  const int64_t rank = static_cast<int64_t>(g[node.output()].type.shape.size()), axis = node.attrs.int_or("axis", -1);
  return node.op == "LayerNormalization" && node.outputs.size() == 1 && (axis == -1 || axis == rank - 1) &&
         lies_along_columns(g, node.input(1), node.output()) &&
         (node.input(2) == kNoValue || lies_along_columns(g, node.input(2), node.output()));
}

// Whether what computes v can divide its columns for nothing. `top`: what reads v is known to want it.
bool can_divide(const Graph& g, ValueId v, bool top = true) {
  const Node* node = g.producer(v);
  if (!node || g.is_output(v) || (!top && !g.single_use(v))) return false;
  if (is_layer_norm(g, *node) || is_quantizable_product(g, *node)) return true;
  if (node->op == "Relu") return can_divide(g, node->input(0), false);
  if (node->op != "Mul" && node->op != "Add") return false;
  const int side = constant_side(g, *node);
  return side >= 0 && (node->op == "Mul" || can_divide(g, node->input(static_cast<size_t>(1 - side)), false));
}

// The values of more than two axes that products alone read, and that can be divided.
std::vector<ValueId> candidates(const Graph& g) {
  std::vector<ValueId> values;
  for (ValueId v : read_by_columns(g)) {
    const std::vector<Use>& uses = g[v].uses;
    const bool products_alone = std::all_of(uses.begin(), uses.end(), [&](const Use& use) {
      return use.input == 0 && is_quantizable_product(g, g[use.node]);
    });
    if (products_alone && can_divide(g, v)) values.push_back(v);
  }
  return values;
}

class Divider {
 public:
  Divider(Graph& g, const std::vector<double>& factors) : g_(g), factors_(factors) {}

  void run(ValueId v) {
    const std::vector<Use> uses = g_[v].uses;
    for (const Use& use : uses) multiply_rows(use.node);
    divide(v);
  }

 private:
  void divide(ValueId v) {
    const NodeId id = g_[v].producer;
    const Node node = g_[id];
    if (node.op == "LayerNormalization" || is_quantizable_product(g_, node)) {
      scale(id, 1, [&](size_t i) { return 1 / factors_[column_of(node, i)]; });
      scale(id, 2, [&](size_t i) { return 1 / factors_[i]; });
    } else if (node.op == "Relu") {
      divide(node.input(0));
    } else {
      const size_t side = static_cast<size_t>(constant_side(g_, node));
      scale(id, side, [&](size_t i) { return 1 / factors_[i]; });
      if (node.op == "Add") divide(node.input(1 - side));
    }
    g_.rename(v, g_[v].name + kEqualizedSuffix);
  }
  // Of element i of a product's weights, or of a vector.
  size_t column_of(const Node& node, size_t i) const {
    const Shape& shape = g_[node.input(1)].type.shape;
    const size_t last = static_cast<size_t>(shape.back());
    return shape.size() > 1 && node.attrs.int_or("transB", 0) ? i / last : i % last;
  }
  void multiply_rows(NodeId id) {
    const Node node = g_[id];
    const size_t last = static_cast<size_t>(g_[node.input(1)].type.shape[1]);
    const bool transposed = node.attrs.int_or("transB", 0) != 0;
    scale(id, 1, [&](size_t i) { return factors_[transposed ? i % last : i / last]; });
  }
  template <class Factor>
  void scale(NodeId id, size_t input, const Factor& factor) {
    const ValueId v = g_[id].input(input);
    if (v == kNoValue) return;
    std::vector<double> values = floats_of(g_, v);
    for (size_t i = 0; i < values.size(); ++i) values[i] *= factor(i);
    g_.set_input(id, input, add_floats(g_, g_[v].name + kEqualizedSuffix, Shape(g_[v].type.shape), values));
  }

  Graph& g_;
  const std::vector<double>& factors_;
};

}  // namespace

bool can_equalize_columns(const Graph& g) { return !candidates(g).empty(); }

ChannelFactors column_factors(const Graph& g, const Profile& profile, const QuantPolicy& policy) {
  ChannelFactors factors;
  for (ValueId v : candidates(g)) {
    const std::string name = by_columns(g[v].name);
    const ValueProfile* seen = profile.find(name);
    if (!seen) continue;
    std::vector<Range> ranges;
    for (size_t c = 0; c < seen->channels(); ++c) ranges.push_back({seen->min[c], seen->max[c]});
    add_headroom(policy.headroom, *seen, ranges, bounds_of(g, v));
    std::vector<double> largest;
    for (const Range& r : ranges) largest.push_back(std::max(-r.low, r.high));
    const double most = *std::max_element(largest.begin(), largest.end());
    if (!(most > 0)) continue;
    for (double& s : largest) s = std::max(s / most, kLeast);
    factors[name] = std::move(largest);
  }
  return factors;
}

void equalize_columns(Graph& g, const ChannelFactors& factors) {
  for (ValueId v : candidates(g))
    if (auto it = factors.find(by_columns(g[v].name)); it != factors.end()) Divider(g, it->second).run(v);
  g.erase_dead();
}

}  // namespace quadlane
