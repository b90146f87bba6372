// fuse_activation: ql.Conv -> Relu  =>  ql.Conv act="clip"
//
// Relu, Clip and LeakyRelu behind an f32 convolution that nothing else reads.
#include <limits>

#include "graph/passes/conv_node.h"
#include "graph/passes/list.h"

namespace quadlane {
namespace {

bool read_activation(const Graph& g, const Node& node, Attrs& attrs) {
  if (node.op == "LeakyRelu") {
    attrs.set("act", std::string("leaky"));
    attrs.set("alpha", node.attrs.float_or("alpha", 0.01f));
    return true;
  }
  float lo = -std::numeric_limits<float>::infinity(), hi = std::numeric_limits<float>::infinity();
  if (node.op == "Relu") {
    lo = 0;
  } else if (node.op == "Clip") {
    for (size_t i : {1u, 2u}) {
      if (node.input(i) == kNoValue) continue;
      std::optional<double> bound = scalar_constant(g, node.input(i));
      if (!bound) return false;
      (i == 1 ? lo : hi) = static_cast<float>(*bound);
    }
    if (lo > hi) return false;
  } else {
    return false;
  }
  attrs.set("act", std::string("clip"));
  attrs.set("act_lo", lo);
  attrs.set("act_hi", hi);
  return true;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !is_one_of(g[id].op, {"Relu", "Clip", "LeakyRelu"})) continue;
    const Node& act = g[id];
    const Node* producer = g.producer(act.input(0));
    if (!producer || !is_one_of(producer->op, {"ql.Conv", "ql.ConvTranspose"}) || !g.single_use(act.input(0))) continue;
    if (g[act.input(0)].type.dtype != DType::f32 || !producer->attrs.string_or("act", "").empty()) continue;
    Node conv = *producer;
    if (!read_activation(g, act, conv.attrs)) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, act.output(), std::move(conv)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kFuseActivation{"fuse_activation", "ql.Conv -> Relu, Clip, LeakyRelu => ql.Conv act=...", run};

}  // namespace quadlane
