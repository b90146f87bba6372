// pixel_shuffle: Reshape [N,C,b,b,H,W] -> Transpose 0,1,4,2,5,3 -> Reshape [N,C,bH,bW]  =>  DepthToSpace
//
// mode CRD; with [N,b,b,C,H,W] and 0,3,4,1,5,2 mode DCR. The inverse, [N,C,H,b,W,b] and 0,3,5,1,2,4, is SpaceToDepth;
// with 0,1,3,5,2,4 (pixel_unshuffle) its channels c * b * b + k come from k * C + c.
#include "graph/passes/list.h"
#include "graph/passes/reshape_chain.h"

namespace quadlane {
namespace {

using Ints = std::vector<int64_t>;

std::optional<Node> depth_to_space(const Graph& g, const ReshapeChain& chain, const Node& last) {
  const Shape &s = chain.split, &in = g[chain.x].type.shape;
  const bool inside = chain.perm == Ints{0, 1, 4, 2, 5, 3};
  if (!inside && chain.perm != Ints{0, 3, 4, 1, 5, 2}) return {};
  const int64_t b = inside ? s[2] : s[1], channels = inside ? s[1] : s[3];
  if ((inside ? s[3] : s[2]) != b || s[0] != in[0] || s[4] != in[2] || s[5] != in[3]) return {};
  if (g[last.output()].type.shape != Shape{in[0], channels, b * in[2], b * in[3]}) return {};
  Node node{last.name, "DepthToSpace", {}, {chain.x}};
  node.attrs.set("blocksize", b);
  node.attrs.set("mode", std::string(inside ? "CRD" : "DCR"));
  return node;
}

Result<std::optional<Node>> space_to_depth(Graph& g, const OpTable& ops, const ReshapeChain& chain, const Node& last) {
  const Shape &s = chain.split, in = g[chain.x].type.shape;
  const bool inside = chain.perm == Ints{0, 1, 3, 5, 2, 4};
  if (!inside && chain.perm != Ints{0, 3, 5, 1, 2, 4}) return std::optional<Node>();
  const int64_t b = s[3];
  if (s[5] != b || s[0] != in[0] || s[1] != in[1] || s[2] * b != in[2] || s[4] * b != in[3] ||
      g[last.output()].type.shape != Shape{in[0], in[1] * b * b, s[2], s[4]})
    return std::optional<Node>();
  Node node{last.name, "SpaceToDepth", {}, {chain.x}};
  node.attrs.set("blocksize", b);
  if (!inside) return std::optional(node);
  node.name += ".blocks";
  QL_TRY(ValueId blocks, add_op(g, ops, std::move(node)));
  std::vector<int64_t> from;
  for (int64_t c = 0; c < in[1]; ++c)
    for (int64_t k = 0; k < b * b; ++k) from.push_back(k * in[1] + c);
  ValueId indices =
      g.add_constant(last.name + ".channels", Tensor::from<int64_t>({static_cast<int64_t>(from.size())}, from));
  Node gather{last.name, "Gather", {}, {blocks, indices}};
  gather.attrs.set("axis", int64_t{1});
  return std::optional(gather);
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Reshape") continue;
    const Node last = g[id];
    std::optional<ReshapeChain> chain = reshape_chain(g, last);
    if (!chain || chain->split.size() != 6) continue;
    std::optional<Node> node = depth_to_space(g, *chain, last);
    if (!node) {
      QL_TRY(node, space_to_depth(g, ops, *chain, last));
    }
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, last.output(), *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kPixelShuffle{"pixel_shuffle", "Reshape -> Transpose -> Reshape of pixels => DepthToSpace, SpaceToDepth",
                         run};

}  // namespace quadlane
