// fuse_pre_activation: BatchNormalization -> Relu -> Conv  =>  ql.Conv with thresholds
//
// For a > 0: max(a x + b, 0) = a (max(x, t) - t) with t = -b / a; for a < 0 the same with min; a Clip has a second
// bound; a batch norm alone has none. ql.Conv computes sum w' (clamp(x, lo, hi) - z) with w' = w a, and a padded tap
// adds nothing, which is what padding behind the activation means. In floats the difference x - t is as exact as a x +
// b. A channel with a = 0 is the constant act(b): it moves into the bias, which padding forbids unless it is 0.
//
// Done when every reader of the activation is such a convolution, so that it disappears; and for a lone Relu or Clip
// only where the producer of its input cannot take it.
#include <algorithm>

#include "graph/passes/conv_node.h"
#include "graph/passes/list.h"

namespace quadlane {
namespace {

bool is_candidate(const Graph& g, const Use& use) {
  const Node& conv = g[use.node];
  if (use.input != 0 || !conv_window(g, conv)) return false;
  const Tensor* weights = g.constant(conv.input(1));
  return weights && weights->dtype() == DType::f32 && (conv.input(2) == kNoValue || g.constant(conv.input(2)));
}

bool producer_takes_clamp(const Graph& g, ValueId x) {
  const Node* node = g.producer(x);
  return node && g.single_use(x) &&
         is_one_of(node->op, {"Conv", "ConvTranspose", "ql.Conv", "ql.ConvTranspose", "Add", "BatchNormalization"});
}

bool has_constant(const Thresholds& t) {
  return std::any_of(t.constant.begin(), t.constant.end(), [](double c) { return c != 0; });
}

std::optional<Node> fused(Graph& g, const Node& conv, const PreActivation& p, const Thresholds& t) {
  Window2d window = *conv_window(g, conv);
  // A transposed convolution's crop is no padding, but each pixel sums other taps: constants stay out there too.
  if (has_constant(t) && (window.padded() || conv.op == "ConvTranspose")) return {};
  const Tensor weights = *g.constant(conv.input(1));
  const Shape& shape = weights.shape();
  bool transposed = conv.op == "ConvTranspose";
  int64_t outputs = transposed ? shape[1] * window.group : shape[0], taps = weights.count() / (shape[0] * shape[1]);
  std::vector<double> bias = floats_of(g, conv.input(2));
  if (bias.empty()) bias.assign(static_cast<size_t>(outputs), 0);
  std::vector<float> values(weights.as<float>(), weights.as<float>() + weights.count());
  for (int64_t i = 0; i < shape[0]; ++i)
    for (int64_t j = 0; j < shape[1]; ++j) {
      size_t c = static_cast<size_t>(transposed ? i : i / (outputs / window.group) * shape[1] + j);
      float* tap = &values[static_cast<size_t>((i * shape[1] + j) * taps)];
      for (int64_t k = 0; k < taps; ++k) {
        if (!transposed) bias[static_cast<size_t>(i)] += tap[k] * t.constant[c];
        tap[k] = static_cast<float>(tap[k] * t.factor[c]);
      }
    }
  Node node = make_ql_conv(conv, window);
  Shape channels{g[p.x].type.shape[1]};
  node.attrs.set("dtype", std::string("f32"));
  node.inputs[kConvX] = p.x;
  node.inputs[kConvW] = g.add_constant(conv.name + ".weight", Tensor::from<float>(shape, values));
  node.inputs[kConvBias] = add_floats(g, conv.name + ".bias", {outputs}, bias);
  node.inputs[kConvZ] = add_floats(g, conv.name + ".z", channels, t.z);
  if (p.clamps) {
    node.inputs[kConvLo] = add_floats(g, conv.name + ".lo", channels, t.lo);
    node.inputs[kConvHi] = add_floats(g, conv.name + ".hi", channels, t.hi);
  }
  return node;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !conv_window(g, g[id])) continue;
    ValueId v = g[id].input(0);
    PreActivation p = pre_activation(g, v);
    if (p.x == v || g.is_output(v) || (!p.scales && producer_takes_clamp(g, p.x))) continue;
    const std::vector<Use>& uses = g[v].uses;
    if (!std::all_of(uses.begin(), uses.end(), [&](const Use& use) { return is_candidate(g, use); })) continue;
    std::optional<Thresholds> t = thresholds(p);
    if (!t) continue;
    std::optional<Node> node = fused(g, Node(g[id]), p, *t);
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId out, replace_with(g, ops, g[id].output(), *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kFusePreActivation{"fuse_pre_activation", "BatchNormalization -> Relu -> Conv => ql.Conv with thresholds",
                              run};

}  // namespace quadlane
