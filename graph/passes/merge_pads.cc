// merge_pads: Conv(Pad(x))  =>  Conv(x) pads += ...
//
// A constant, non-negative, spatial pad becomes the window's own:
//   Conv          the constant is 0
//   MaxPool       the constant is -inf (or the type's lowest value), or 0 when x is a Relu's result
//   AveragePool   the constant is 0 and the pool has no pads of its own; it then counts the padding
// x keeps its other uses; the Pad goes when it has none left. ceil_mode would round another extent: left alone.
#include <limits>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

struct ConstantPad {
  ValueId x = kNoValue;
  std::vector<int64_t> amounts;  // begins, ends of the spatial axes
  double value = 0;
};

std::optional<ConstantPad> as_spatial_pad(const Graph& g, const Node& node) {
  if (node.op != "Pad" || node.attrs.string_or("mode", "constant") != "constant" || node.input(3) != kNoValue)
    return {};
  const Tensor* pads = g.constant(node.input(1));
  size_t rank = g[node.input(0)].type.shape.size();
  if (!pads || rank < 3 || pads->count() != static_cast<int64_t>(2 * rank)) return {};
  std::vector<int64_t> all = to_ints(pads->view());
  ConstantPad p{node.input(0)};
  if (node.input(2) != kNoValue) {
    std::optional<double> value = scalar_constant(g, node.input(2));
    if (!value) return {};
    p.value = *value;
  }
  for (size_t i = 0; i < 2 * rank; ++i) {
    if (all[i] < 0 || (i % rank < 2 && all[i] != 0)) return {};
    if (i % rank >= 2) p.amounts.push_back(all[i]);
  }
  return p;
}

bool merges_into(const Graph& g, const ConstantPad& pad, const Node& node, const std::vector<int64_t>& own) {
  if (node.attrs.string_or("auto_pad", "NOTSET") != "NOTSET" || node.attrs.int_or("ceil_mode", 0) != 0) return false;
  if (node.op == "Conv") return pad.value == 0;
  if (node.op == "AveragePool") return pad.value == 0 && own == std::vector<int64_t>(own.size(), 0);
  if (node.op != "MaxPool" || node.outputs.size() != 1) return false;
  // A window that lies in the padding alone would turn from the constant into -inf.
  std::vector<int64_t> kernel = node.attrs.ints_or("kernel_shape", {});
  for (size_t i = 0; i < own.size(); ++i)
    if (own[i] + pad.amounts[i] >= kernel[i % kernel.size()]) return false;
  bool lowest = pad.value <= std::numeric_limits<float>::lowest() && g[pad.x].type.dtype == DType::f32;
  return lowest || (pad.value == 0 && producer_of(g, pad.x, "Relu"));
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || !is_one_of(g[id].op, {"Conv", "MaxPool", "AveragePool"})) continue;
    Node node = g[id];
    const Node* producer = g.producer(node.input(0));
    std::optional<ConstantPad> pad;
    if (producer) pad = as_spatial_pad(g, *producer);
    if (!pad) continue;
    std::vector<int64_t> pads = node.attrs.ints_or("pads", std::vector<int64_t>(pad->amounts.size(), 0));
    if (!merges_into(g, *pad, node, pads)) continue;
    for (size_t i = 0; i < pads.size(); ++i) pads[i] += pad->amounts[i];
    node.attrs.set("pads", pads);
    if (node.op == "AveragePool") node.attrs.set("count_include_pad", int64_t{1});
    node.inputs[0] = pad->x;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, g[id].output(), node));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kMergePads{"merge_pads", "Pad -> Conv or pool => pads of the Conv or pool", run};

}  // namespace quadlane
