#include "graph/passes/conv_node.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/passes/affine.h"

namespace quadlane {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
// Beyond this a threshold is the quotient of a shift and a scale that is as good as 0.
constexpr double kLargestThreshold = 1e30;

struct Clamp {
  double lo = -kInf, hi = kInf;
};

// Relu or Clip with constant bounds.
std::optional<Clamp> read_clamp(const Graph& g, const Node& node) {
  Clamp clamp;
  if (node.op == "Relu") return Clamp{0, kInf};
  if (node.op != "Clip") return {};
  for (size_t i : {1u, 2u}) {
    if (node.input(i) == kNoValue) continue;
    std::optional<double> bound = scalar_constant(g, node.input(i));
    if (!bound) return {};
    (i == 1 ? clamp.lo : clamp.hi) = *bound;
  }
  return clamp.lo <= clamp.hi ? std::optional(clamp) : std::nullopt;
}

}  // namespace

std::optional<Window2d> conv_window(const Graph& g, const Node& node) {
  if (!is_one_of(node.op, {"Conv", "ConvTranspose"}) || node.attrs.has("output_shape")) return {};
  return window2d(g, node);
}

std::optional<std::vector<double>> slopes_behind(const Graph& g, const Node& conv, const Node& node) {
  const Shape& image = g[conv.output()].type.shape;
  if (!is_one_of(conv.op, {"Conv", "ql.Conv"}) || node.input(0) != conv.output()) return {};
  std::optional<std::vector<double>> slopes;
  if (node.op == "PRelu") slopes = channel_constant(g, node.input(1), image);
  if (node.op == "LeakyRelu") slopes.emplace(static_cast<size_t>(image[1]), node.attrs.float_or("alpha", 0.01f));
  if (slopes && !std::all_of(slopes->begin(), slopes->end(), [](double s) { return std::isfinite(s); })) return {};
  return slopes;
}

Node make_ql_conv(const Node& conv, const Window2d& w) {
  Node node{conv.name, "ql." + conv.op};
  node.attrs.set("strides", w.strides);
  node.attrs.set("pads", w.pads);
  node.attrs.set("dilations", w.dilations);
  node.attrs.set("group", w.group);
  if (conv.op == "ConvTranspose") node.attrs.set("output_padding", conv.attrs.ints_or("output_padding", {0, 0}));
  node.inputs.assign(conv.op == "Conv" ? kConvResidual + 1 : kConvHi + 1, kNoValue);
  node.inputs[kConvX] = conv.input(0);
  return node;
}

PreActivation pre_activation(const Graph& g, ValueId v) {
  PreActivation p;
  p.x = v;
  p.lo = -kInf, p.hi = kInf;
  size_t channels = static_cast<size_t>(g[v].type.shape[1]);
  if (const Node* node = g.producer(v))
    if (const std::optional<Clamp> clamp = read_clamp(g, *node)) {
      p.x = node->input(0);
      p.lo = clamp->lo, p.hi = clamp->hi;
      p.clamps = true;
    }
  p.scale.assign(channels, 1);
  p.shift.assign(channels, 0);
  if (const Node* node = g.producer(p.x))
    if (std::optional<Affine> affine = as_affine(g, *node)) {
      p.x = affine->x;
      p.scale = affine->scale;
      p.shift = affine->shift;
      p.scales = true;
    }
  return p;
}

std::optional<Thresholds> thresholds(const PreActivation& p) {
  if (p.lo > 0 || p.hi < 0) return {};
  size_t channels = p.scale.size();
  Thresholds t;
  t.z.assign(channels, 0), t.lo.assign(channels, -kInf), t.hi.assign(channels, kInf);
  t.factor = p.scale;
  t.constant.assign(channels, 0);
  for (size_t c = 0; c < channels; ++c) {
    double a = p.scale[c], b = p.shift[c];
    if (a == 0) {
      t.constant[c] = std::clamp(b, p.lo, p.hi);
      continue;
    }
    t.z[c] = -b / a;
    if (!(std::abs(t.z[c]) < kLargestThreshold)) return {};
    t.lo[c] = ((a > 0 ? p.lo : p.hi) - b) / a;
    t.hi[c] = ((a > 0 ? p.hi : p.lo) - b) / a;
    if (p.lo == 0) (a > 0 ? t.lo : t.hi)[c] = t.z[c];  // the same number, not one that rounds alike
  }
  return t;
}

}  // namespace quadlane
