// group_norm: Reshape [N,G,-1] -> InstanceNormalization -> Reshape [N,C,H,W]  =>  GroupNormalization
//
// How exporters write it. A scale and bias of the channels behind it, as Mul and Add, become its own. A dequantization
// that was moved behind the first Reshape moves back: with one scale it is the same for every shape.
#include "graph/passes/group_norm.h"

#include <numeric>

#include "graph/passes/affine.h"
#include "graph/passes/list.h"

namespace quadlane {
namespace {

// The node that alone makes v of bytes, by one scale.
NodeId dequantizer_of(const Graph& g, ValueId v) {
  const Node* node = g.producer(v);
  if (!node || !is_one_of(node->op, {"ql.Dequantize", "DequantizeLinear"}) || !g.single_use(v)) return kNoNode;
  for (size_t i = 1; i < node->inputs.size(); ++i)
    if (node->inputs[i] != kNoValue && g[node->inputs[i]].type.count() != 1) return kNoNode;
  return g[v].producer;
}

Node as_node(Graph& g, const GroupedNorm& norm, const std::string& name) {
  const Shape channels{static_cast<int64_t>(norm.scale.size())};
  Node node{name, "GroupNormalization", {}, {norm.x}};
  node.inputs.push_back(add_floats(g, name + ".scale", channels, norm.scale));
  node.inputs.push_back(add_floats(g, name + ".bias", channels, norm.bias));
  node.attrs.set("num_groups", norm.groups);
  node.attrs.set("epsilon", norm.epsilon);
  return node;
}

// Channel i of the result of a Gather is channel order[i]; the channels in order where there is none. Empty for
// anything but a permutation.
std::vector<size_t> order_of(const Graph& g, const Node* gather, size_t channels) {
  std::vector<size_t> order(channels);
  std::iota(order.begin(), order.end(), size_t{0});
  if (!gather) return order;
  const Tensor* indices = g.constant(gather->input(1));
  if (!indices || gather->attrs.int_or("axis", 0) != 1 || indices->count() != static_cast<int64_t>(channels)) return {};
  std::vector<bool> seen(channels);
  for (size_t i = 0; i < channels; ++i) {
    const int64_t c = element_as_int(indices->view(), static_cast<int64_t>(i));
    if (c < 0 || c >= static_cast<int64_t>(channels) || seen[static_cast<size_t>(c)]) return {};
    order[i] = static_cast<size_t>(c), seen[order[i]] = true;
  }
  return order;
}

// The affine goes in front of a Gather: volumes_as_images puts one behind the normalization of a volume.
Result<std::optional<Node>> with_affine(Graph& g, const OpTable& ops, const Node& last) {
  const std::optional<Node> none;
  std::optional<Affine> affine = as_affine(g, last);
  if (!affine || !g.single_use(affine->x)) return none;
  const Node* gather = producer_of(g, affine->x, "Gather");
  const ValueId normalized = gather ? gather->input(0) : affine->x;
  const Node* norm = producer_of(g, normalized, "GroupNormalization");
  if (!norm || !g.single_use(normalized)) return none;
  GroupedNorm grouped{norm->input(0),
                      kNoNode,
                      norm->attrs.int_or("num_groups", 1),
                      norm->attrs.float_or("epsilon", 1e-5f),
                      floats_of(g, norm->input(1)),
                      floats_of(g, norm->input(2))};
  const std::vector<size_t> order = order_of(g, gather, grouped.scale.size());
  if (order.empty() || order.size() != affine->scale.size() || grouped.bias.size() != order.size()) return none;
  for (size_t i = 0; i < order.size(); ++i) {
    double &scale = grouped.scale[order[i]], &bias = grouped.bias[order[i]];
    scale *= affine->scale[i];
    bias = bias * affine->scale[i] + affine->shift[i];
  }
  Node node = as_node(g, grouped, last.name);
  if (!gather) return std::optional(node);
  Node moved = *gather;
  QL_TRY(moved.inputs[0], add_op(g, ops, std::move(node)));
  return std::optional(moved);
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].outputs.size() != 1) continue;
    const Node last = g[id];
    std::optional<Node> node;
    if (auto norm = grouped_norm(g, last); norm && g[last.output()].type.shape.size() == 4) {
      if (norm->dequantize != kNoNode) {
        Node dequantize = g[norm->dequantize];
        dequantize.inputs[0] = norm->x;
        QL_TRY(norm->x, add_op(g, ops, std::move(dequantize)));
      }
      node = as_node(g, *norm, last.name);
    }
    if (!node) {
      QL_TRY(node, with_affine(g, ops, last));
    }
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, last.output(), *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

std::optional<GroupedNorm> grouped_norm(const Graph& g, const Node& last) {
  const Shape& shape = g[last.output()].type.shape;
  if (last.op != "Reshape" || shape.size() < 3 || !g.single_use(last.input(0))) return {};
  const Node* norm = producer_of(g, last.input(0), "InstanceNormalization");
  if (!norm) return {};
  const NodeId dequantize = dequantizer_of(g, norm->input(0));
  const Node* first = producer_of(g, dequantize == kNoNode ? norm->input(0) : g[dequantize].input(0), "Reshape");
  if (!first || g[first->input(0)].type.shape != shape || g[last.output()].type.dtype != DType::f32) return {};
  const Shape& split = g[first->output()].type.shape;
  if (split.size() < 3 || split[0] != shape[0] || split[1] < 1 || shape[1] % split[1] != 0) return {};
  const std::vector<double> scale = floats_of(g, norm->input(1)), bias = floats_of(g, norm->input(2));
  if (static_cast<int64_t>(scale.size()) != split[1] || static_cast<int64_t>(bias.size()) != split[1]) return {};
  GroupedNorm grouped{first->input(0), dequantize, split[1], norm->attrs.float_or("epsilon", 1e-5f), {}, {}};
  const size_t channels = static_cast<size_t>(shape[1] / split[1]);
  for (size_t i = 0; i < scale.size(); ++i) {
    grouped.scale.insert(grouped.scale.end(), channels, scale[i]);
    grouped.bias.insert(grouped.bias.end(), channels, bias[i]);
  }
  return grouped;
}

const Pass kGroupNorm{"group_norm", "Reshape -> InstanceNormalization -> Reshape => GroupNormalization", run};

}  // namespace quadlane
