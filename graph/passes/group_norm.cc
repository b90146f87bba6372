// group_norm: Reshape [N,G,-1] -> InstanceNormalization -> Reshape [N,C,H,W]  =>  GroupNormalization
//
// How exporters write it. A scale and bias of the channels behind it, as Mul and Add, become its own.
#include "graph/passes/affine.h"
#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

std::optional<Node> from_reshapes(Graph& g, const Node& last) {
  const Shape shape = g[last.output()].type.shape;
  if (last.op != "Reshape" || shape.size() != 4 || !g.single_use(last.input(0))) return {};
  const Node* norm = producer_of(g, last.input(0), "InstanceNormalization");
  const Node* first = norm ? producer_of(g, norm->input(0), "Reshape") : nullptr;
  if (!first || g[first->input(0)].type.shape != shape || g[last.output()].type.dtype != DType::f32) return {};
  const Shape split = g[first->output()].type.shape;
  if (split.size() < 3 || split[0] != shape[0] || split[1] < 1 || shape[1] % split[1] != 0) return {};
  std::vector<double> scale = floats_of(g, norm->input(1)), bias = floats_of(g, norm->input(2));
  if (static_cast<int64_t>(scale.size()) != split[1] || static_cast<int64_t>(bias.size()) != split[1]) return {};
  const size_t channels = static_cast<size_t>(shape[1] / split[1]);
  std::vector<double> scales, biases;  // of the channels
  for (size_t i = 0; i < scale.size(); ++i) {
    scales.insert(scales.end(), channels, scale[i]);
    biases.insert(biases.end(), channels, bias[i]);
  }
  Node node{last.name, "GroupNormalization", {}, {first->input(0)}};
  node.inputs.push_back(add_floats(g, last.name + ".scale", {shape[1]}, scales));
  node.inputs.push_back(add_floats(g, last.name + ".bias", {shape[1]}, biases));
  node.attrs.set("num_groups", split[1]);
  node.attrs.set("epsilon", norm->attrs.float_or("epsilon", 1e-5f));
  return node;
}

std::optional<Node> with_affine(Graph& g, const Node& last) {
  std::optional<Affine> affine = as_affine(g, last);
  if (!affine || !g.single_use(affine->x)) return {};
  const Node* norm = producer_of(g, affine->x, "GroupNormalization");
  if (!norm) return {};
  std::vector<double> scale = floats_of(g, norm->input(1)), bias = floats_of(g, norm->input(2));
  if (scale.empty() || scale.size() != bias.size()) return {};
  Node node = *norm;
  for (size_t c = 0; c < scale.size(); ++c) {
    scale[c] *= affine->scale[c];
    bias[c] = bias[c] * affine->scale[c] + affine->shift[c];
  }
  const Shape shape{static_cast<int64_t>(scale.size())};
  node.inputs[1] = add_floats(g, last.name + ".scale", shape, scale);
  node.inputs[2] = add_floats(g, last.name + ".bias", shape, bias);
  return node;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].outputs.size() != 1) continue;
    const Node last = g[id];
    std::optional<Node> node = from_reshapes(g, last);
    if (!node) node = with_affine(g, last);
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, last.output(), *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kGroupNorm{"group_norm", "Reshape -> InstanceNormalization -> Reshape => GroupNormalization", run};

}  // namespace quadlane
