// channel_shuffle: Reshape [N,g,C/g,H,W] -> Transpose 0,2,1,3,4 -> Reshape [N,C,H,W]  =>  Gather of channels
//
// What it does is give channels other places: channel j * g + i of the result is channel i * C/g + j. On planes that is
// a list.
#include "graph/passes/list.h"
#include "graph/passes/reshape_chain.h"

namespace quadlane {
namespace {

std::optional<Node> rewrite(Graph& g, const Node& last) {
  std::optional<ReshapeChain> chain = reshape_chain(g, last);
  if (!chain || chain->perm != std::vector<int64_t>{0, 2, 1, 3, 4}) return {};
  const Shape &in = g[chain->x].type.shape, &split = chain->split;
  if (g[last.output()].type.shape != in || split[0] != in[0] || split[3] != in[2] || split[4] != in[3]) return {};
  std::vector<int64_t> from;
  for (int64_t j = 0; j < split[2]; ++j)
    for (int64_t i = 0; i < split[1]; ++i) from.push_back(i * split[2] + j);
  ValueId indices =
      g.add_constant(last.name + ".channels", Tensor::from<int64_t>({static_cast<int64_t>(from.size())}, from));
  Node node{last.name, "Gather", {}, {chain->x, indices}};
  node.attrs.set("axis", int64_t{1});
  return node;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Reshape") continue;
    std::optional<Node> node = rewrite(g, Node(g[id]));
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, g[id].output(), *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kChannelShuffle{"channel_shuffle", "Reshape -> Transpose -> Reshape of channel groups => Gather", run};

}  // namespace quadlane
