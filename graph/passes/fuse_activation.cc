// fuse_activation: ql.Conv -> Relu  =>  ql.Conv act="clip"
//
// Relu, Clip, LeakyRelu, HardSigmoid, HardSwish, Sigmoid and Swish behind a convolution with an f32 result that nothing
// else reads; PRelu with a slope for each channel becomes the convolution's slopes.
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
  const Attrs& given = node.attrs;
  if (node.op == "HardSigmoid") {
    attrs.set("act", std::string("hard_sigmoid"));
    attrs.set("alpha", given.float_or("alpha", 0.2f));
    attrs.set("beta", given.float_or("beta", 0.5f));
    return true;
  }
  if (node.op == "HardSwish" || node.op == "Sigmoid") {
    attrs.set("act", std::string(node.op == "Sigmoid" ? "sigmoid" : "hard_swish"));
    return true;
  }
  if (node.op == "Swish") {
    attrs.set("act", std::string("swish"));
    attrs.set("alpha", given.float_or("alpha", 1.0f));
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
    if (!(lo <= hi)) return false;  // NaN stays where it is
  } else {
    return false;
  }
  attrs.set("act", std::string("clip"));
  attrs.set("act_lo", lo);
  attrs.set("act_hi", hi);
  return true;
}

// PRelu behind a convolution without a residual; not behind a depthwise one, whose fp32 kernels have no slopes.
bool read_slopes(Graph& g, const Node& act, Node& conv) {
  if (conv.input(kConvResidual) != kNoValue || conv.input(kConvXScale) != kNoValue) return false;
  if (conv.attrs.int_or("group", 1) > 1 && g[conv.input(kConvW)].type.shape[1] == 1) return false;
  std::optional<std::vector<double>> slopes = slopes_behind(g, conv, act);
  if (!slopes) return false;
  conv.inputs.resize(kConvSlope + 1, kNoValue);
  conv.inputs[kConvSlope] = add_floats(g, act.name + ".slope", {static_cast<int64_t>(slopes->size())}, *slopes);
  return true;
}

bool is_taken(const Node& conv) {
  return !conv.attrs.string_or("act", "").empty() || conv.input(kConvSlope) != kNoValue;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) ||
        !is_one_of(g[id].op, {"Relu", "Clip", "LeakyRelu", "HardSigmoid", "HardSwish", "Sigmoid", "Swish", "PRelu"}))
      continue;
    const Node act = g[id];
    const Node* producer = g.producer(act.input(0));
    if (!producer || !is_one_of(producer->op, {"ql.Conv", "ql.ConvTranspose"}) || !g.single_use(act.input(0))) continue;
    if (g[act.input(0)].type.dtype != DType::f32 || is_taken(*producer)) continue;
    Node conv = *producer;
    if (act.op == "PRelu" ? !read_slopes(g, act, conv) : !read_activation(g, act, conv.attrs)) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, act.output(), std::move(conv)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kFuseActivation{"fuse_activation", "ql.Conv -> Relu, HardSwish, Sigmoid, ... => ql.Conv act=...", run};

}  // namespace quadlane
