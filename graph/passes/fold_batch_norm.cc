// fold_batch_norm: Conv -> BatchNormalization  =>  Conv
//
// a[o] * (sum w[o] x + bias[o]) + b[o] = sum (a[o] w[o]) x + (a[o] bias[o] + b[o]), for every affine operator behind a
// Conv or ConvTranspose of constant f32 weights that nothing else reads: batch norms, and Mul or Add by constants per
// channel. Computed in double and rounded once.
#include "graph/passes/affine.h"
#include "graph/passes/list.h"

namespace quadlane {
namespace {

// Conv weights are [O, C/group, ...]; ConvTranspose weights are [C, O/group, ...].
Tensor scaled_weights(const Tensor& weights, const Node& conv, const std::vector<double>& scale) {
  const Shape& shape = weights.shape();
  int64_t group = conv.attrs.int_or("group", 1), taps = weights.count() / (shape[0] * shape[1]);
  bool transposed = conv.op == "ConvTranspose";
  std::vector<float> values(weights.as<float>(), weights.as<float>() + weights.count());
  for (int64_t i = 0; i < shape[0]; ++i)
    for (int64_t j = 0; j < shape[1]; ++j) {
      int64_t o = transposed ? i / (shape[0] / group) * shape[1] + j : i;
      float* tap = &values[static_cast<size_t>((i * shape[1] + j) * taps)];
      for (int64_t k = 0; k < taps; ++k) tap[k] = static_cast<float>(tap[k] * scale[static_cast<size_t>(o)]);
    }
  return Tensor::from<float>(shape, values);
}

std::optional<Node> folded(Graph& g, const Affine& affine) {
  const Node* producer = g.producer(affine.x);
  if (!producer || !is_one_of(producer->op, {"Conv", "ConvTranspose"}) || !g.single_use(affine.x)) return {};
  Node conv = *producer;
  const Tensor* weights = g.constant(conv.input(1));
  bool bias_known = conv.input(2) == kNoValue || g.constant(conv.input(2));
  if (!weights || weights->dtype() != DType::f32 || weights->shape().size() < 3 || !bias_known) return {};
  std::vector<double> bias = floats_of(g, conv.input(2));
  if (bias.empty()) bias.assign(affine.scale.size(), 0);
  for (size_t o = 0; o < bias.size(); ++o) bias[o] = bias[o] * affine.scale[o] + affine.shift[o];
  Tensor scaled = scaled_weights(*weights, conv, affine.scale);
  conv.inputs.resize(3, kNoValue);
  conv.inputs[1] = g.add_constant(conv.name + ".weight", std::move(scaled));
  conv.inputs[2] = add_floats(g, conv.name + ".bias", {static_cast<int64_t>(bias.size())}, bias);
  return conv;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    std::optional<Affine> affine = as_affine(g, g[id]);
    if (!affine) continue;
    std::optional<Node> conv = folded(g, *affine);
    if (!conv) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, g[id].output(), *std::move(conv)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kFoldBatchNorm{"fold_batch_norm", "Conv -> BatchNormalization => Conv", run};

}  // namespace quadlane
