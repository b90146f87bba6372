// resolve_pads: Conv auto_pad="SAME_UPPER"  =>  Conv pads=[...]
//
// Convolutions and pools get explicit pads, so that no later pass knows auto_pad. SAME pads a convolution or pool to
// out = ceil(in / stride), a transposed convolution to out = in * stride (or to its `output_shape`); of an odd total
// the larger half goes behind (SAME_UPPER) or before (SAME_LOWER). VALID pads nothing.
#include <algorithm>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

struct Axis {
  int64_t in, out, kernel, stride, dilation, output_padding;
  int64_t reach() const { return dilation * (kernel - 1) + 1; }
};

int64_t total_padding(const Node& node, const Axis& a) {
  if (node.op == "ConvTranspose") return a.stride * (a.in - 1) + a.output_padding + a.reach() - a.out;
  return std::max<int64_t>(0, (a.out - 1) * a.stride + a.reach() - a.in);
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    Node node = g[id];
    if (!is_one_of(node.op, {"Conv", "ConvInteger", "ConvTranspose", "MaxPool", "AveragePool"})) continue;
    std::string mode = node.attrs.string_or("auto_pad", "NOTSET");
    bool has_shape = node.attrs.has("output_shape");
    if ((mode == "NOTSET" || mode.empty()) && !has_shape) continue;
    if (node.outputs.size() != 1) continue;
    const Shape &in = g[node.input(0)].type.shape, &out = g[node.output()].type.shape;
    size_t rank = in.size() - 2;
    std::vector<int64_t> kernel = node.attrs.ints_or("kernel_shape", {});
    if (kernel.empty()) kernel.assign(g[node.input(1)].type.shape.begin() + 2, g[node.input(1)].type.shape.end());
    std::vector<int64_t> ones(rank, 1), strides = node.attrs.ints_or("strides", ones),
                                        dilations = node.attrs.ints_or("dilations", ones), pads(2 * rank, 0),
                                        extra = node.attrs.ints_or("output_padding", std::vector<int64_t>(rank, 0));
    bool pads_allowed = true;
    for (size_t i = 0; i < rank && mode != "VALID"; ++i) {
      int64_t total = total_padding(node, {in[i + 2], out[i + 2], kernel[i], strides[i], dilations[i], extra[i]});
      pads_allowed &= total >= 0;
      // Transposed convolutions with output_shape and no SAME mode put the larger half in front.
      bool larger_behind = mode == "SAME_UPPER";
      pads[i] = larger_behind ? total / 2 : total - total / 2;
      pads[i + rank] = total - pads[i];
    }
    if (!pads_allowed) continue;
    node.attrs.erase("auto_pad");
    node.attrs.erase("output_shape");
    node.attrs.set("pads", pads);
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, g[id].output(), node));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kResolvePads{"resolve_pads", "auto_pad => explicit pads", run};

}  // namespace quadlane
