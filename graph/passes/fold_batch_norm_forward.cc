// fold_batch_norm_forward: BatchNormalization -> Conv  =>  Conv
//
// sum w[o,c] (a[c] x[c] + b[c]) + bias[o] = sum (w[o,c] a[c]) x[c] + (bias[o] + sum w[o,c] b[c]). Behind padding the
// sum over b would miss the padded taps, so either there is no padding or every b is 0. Only when every reader of the
// batch norm is such a convolution, so that it disappears.
#include <algorithm>

#include "graph/passes/affine.h"
#include "graph/passes/list.h"

namespace quadlane {
namespace {

bool absorbs(const Graph& g, const Use& use, bool shifts) {
  const Node& conv = g[use.node];
  if (conv.op != "Conv" || use.input != 0) return false;
  const Tensor* weights = g.constant(conv.input(1));
  if (!weights || weights->dtype() != DType::f32) return false;
  if (conv.input(2) != kNoValue && !g.constant(conv.input(2))) return false;
  if (!shifts) return true;
  std::vector<int64_t> pads = conv.attrs.ints_or("pads", {});
  return conv.attrs.string_or("auto_pad", "NOTSET") == "NOTSET" &&
         std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; });
}

Node absorbed(Graph& g, Node conv, const Affine& a) {
  const Tensor weights = *g.constant(conv.input(1));
  const Shape& shape = weights.shape();
  int64_t per_group = shape[0] / conv.attrs.int_or("group", 1), taps = weights.count() / (shape[0] * shape[1]);
  std::vector<double> bias = floats_of(g, conv.input(2));
  if (bias.empty()) bias.assign(static_cast<size_t>(shape[0]), 0);
  std::vector<float> values(weights.as<float>(), weights.as<float>() + weights.count());
  for (int64_t o = 0; o < shape[0]; ++o)
    for (int64_t j = 0; j < shape[1]; ++j) {
      size_t c = static_cast<size_t>(o / per_group * shape[1] + j);
      float* tap = &values[static_cast<size_t>((o * shape[1] + j) * taps)];
      for (int64_t k = 0; k < taps; ++k) {
        bias[static_cast<size_t>(o)] += tap[k] * a.shift[c];
        tap[k] = static_cast<float>(tap[k] * a.scale[c]);
      }
    }
  conv.inputs.resize(3, kNoValue);
  conv.inputs[0] = a.x;
  conv.inputs[1] = g.add_constant(conv.name + ".weight", Tensor::from<float>(shape, values));
  conv.inputs[2] = add_floats(g, conv.name + ".bias", {shape[0]}, bias);
  return conv;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    std::optional<Affine> affine = as_affine(g, g[id]);
    if (!affine || g.is_output(g[id].output())) continue;
    bool shifts = std::any_of(affine->shift.begin(), affine->shift.end(), [](double b) { return b != 0; });
    std::vector<Use> uses = g[g[id].output()].uses;
    bool all = std::all_of(uses.begin(), uses.end(), [&](const Use& use) { return absorbs(g, use, shifts); });
    if (!all || uses.empty()) continue;
    for (const Use& use : uses) {
      ValueId old = g[use.node].output();
      QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, old, absorbed(g, g[use.node], *affine)));
      ++rewrites;
    }
  }
  return rewrites;
}

}  // namespace

const Pass kFoldBatchNormForward{"fold_batch_norm_forward", "BatchNormalization -> Conv => Conv", run};

}  // namespace quadlane
