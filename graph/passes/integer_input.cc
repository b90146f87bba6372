#include "graph/passes/integer_input.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quadlane {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kWholeLevel = 1e-3;  // how far from a level a bound may be

struct Clamp {
  std::vector<double> lo, hi;  // for each channel

  void at_least(const std::vector<double>& bound) {
    for (size_t c = 0; c < lo.size(); ++c) lo[c] = std::max(lo[c], bound[c]), hi[c] = std::max(hi[c], bound[c]);
  }
  void at_most(const std::vector<double>& bound) {
    for (size_t c = 0; c < lo.size(); ++c) lo[c] = std::min(lo[c], bound[c]), hi[c] = std::min(hi[c], bound[c]);
  }
};

// One step of the chain applied to `clamp`; the value it reads, or kNoValue when `node` is no such step.
ValueId apply(const Graph& g, const Node& node, Clamp& clamp) {
  const Shape& shape = g[node.output()].type.shape;
  size_t channels = clamp.lo.size();
  if (node.op == "Relu") {
    clamp.at_least(std::vector<double>(channels, 0));
    return node.input(0);
  }
  if (node.op == "Clip") {
    for (size_t i : {1u, 2u}) {
      if (node.input(i) == kNoValue) continue;
      std::optional<double> bound = scalar_constant(g, node.input(i));
      if (!bound) return kNoValue;
      std::vector<double> bounds(channels, *bound);
      if (i == 1)
        clamp.at_least(bounds);
      else
        clamp.at_most(bounds);
    }
    return node.input(0);
  }
  if (!is_one_of(node.op, {"Max", "Min"}) || node.inputs.size() != 2) return kNoValue;
  for (size_t side : {0u, 1u}) {
    std::optional<std::vector<double>> bounds = channel_constant(g, node.input(1 - side), shape);
    if (!bounds || g.constant(node.input(side)) || g[node.input(side)].type.shape != shape) continue;
    if (node.op == "Max")
      clamp.at_least(*bounds);
    else
      clamp.at_most(*bounds);
    return node.input(side);
  }
  return kNoValue;
}

// A bound in real numbers as a level; levels outside the byte do not bind.
std::optional<uint8_t> level(double bound, float scale, int32_t zero) {
  double exact = bound / scale + zero, whole = std::nearbyint(exact);
  if (exact <= 0) return uint8_t{0};
  if (exact >= 255) return uint8_t{255};
  if (std::abs(exact - whole) > kWholeLevel) return {};
  return static_cast<uint8_t>(whole);
}

}  // namespace

std::optional<IntegerInput> integer_input(const Graph& g, ValueId v) {
  if (g[v].type.shape.size() < 2) return {};
  size_t channels = static_cast<size_t>(g[v].type.shape[1]);
  // The chain is read from its end; its steps apply from its beginning.
  std::vector<const Node*> steps;
  std::optional<Dequantized> d;
  for (ValueId at = v; !(d = dequantized(g, at));) {
    const Node* node = g.producer(at);
    Clamp unused{std::vector<double>(channels), std::vector<double>(channels)};
    ValueId before = node ? apply(g, *node, unused) : kNoValue;
    if (before == kNoValue) return {};
    steps.push_back(node);
    at = before;
  }
  if (!d->params.one_scale()) return {};
  Clamp clamp{std::vector<double>(channels, -kInf), std::vector<double>(channels, kInf)};
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) apply(g, **step, clamp);

  IntegerInput input{d->q, d->scale()};
  bool offset = false, below = false, above = false;
  for (size_t c = 0; c < channels; ++c) {
    int32_t zero = d->params.zero[d->params.zero.size() == 1 ? 0 : c];
    std::optional<uint8_t> lo = level(clamp.lo[c], input.scale, zero), hi = level(clamp.hi[c], input.scale, zero);
    if (!lo || !hi || *lo > zero || *hi < zero) return {};
    input.z.push_back(static_cast<uint8_t>(zero));
    input.lo.push_back(*lo);
    input.hi.push_back(*hi);
    offset |= zero != 0, below |= *lo != 0, above |= *hi != 255;
  }
  if (!offset) input.z.clear();
  if (!below) input.lo.clear();
  if (!above) input.hi.clear();
  return input;
}

}  // namespace quadlane
