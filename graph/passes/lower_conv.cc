// lower_conv: Conv  =>  ql.Conv
//
// Every 4-D Conv and ConvTranspose of f32 values with constant weights: the compiler knows one convolution. A missing
// bias becomes zeros.
#include "graph/passes/conv_node.h"
#include "graph/passes/list.h"

namespace quadlane {
namespace {

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    Node conv = g[id];
    std::optional<Window2d> window = conv_window(g, conv);
    if (!window || !g.constant(conv.input(1)) || g[conv.input(1)].type.dtype != DType::f32) continue;
    if (conv.input(2) != kNoValue && !g.constant(conv.input(2))) continue;
    int64_t outputs = g[conv.output()].type.shape[1];
    Node node = make_ql_conv(conv, *window);
    node.attrs.set("dtype", std::string("f32"));
    node.inputs[kConvW] = conv.input(1);
    node.inputs[kConvBias] = conv.input(2);
    if (conv.input(2) == kNoValue)
      node.inputs[kConvBias] =
          add_floats(g, conv.name + ".bias", {outputs}, std::vector<double>(static_cast<size_t>(outputs), 0));
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, conv.output(), std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kLowerConv{"lower_conv", "Conv, ConvTranspose => ql.Conv, ql.ConvTranspose", run};

}  // namespace quadlane
