// remove_identities: y = Identity(x)  =>  x
//
// Operators that return their input unchanged, for these types and attributes: Identity, Dropout, Cast to the same
// type, reshapes to the same shape, transpositions that move nothing, zero pads, full slices, resizes by 1, 1x1 pools,
// operators over one operand, splits into one part, affine operators with scale 1 and shift 0.
#include <algorithm>

#include "graph/passes/affine.h"
#include "graph/passes/list.h"

namespace quadlane {
namespace {

bool all_are(const std::vector<int64_t>& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
}

bool keeps_order(const Node& node, size_t rank) {
  std::vector<int64_t> order = node.attrs.ints_or("perm", {});
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] != static_cast<int64_t>(i)) return false;
  return !order.empty() || rank < 2;  // without perm the axes are reversed
}

bool forward_slice(const Graph& g, const Node& node) {
  if (node.input(4) == kNoValue) return true;
  const Tensor* steps = g.constant(node.input(4));
  return steps && all_are(to_ints(steps->view()), 1);
}

bool resize_by_one(const Graph& g, const Node& node) {
  if (node.attrs.string_or("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize") return false;
  if (node.input(2) == kNoValue) return true;
  const Tensor* scales = g.constant(node.input(2));
  if (!scales) return false;
  for (int64_t i = 0; i < scales->count(); ++i)
    if (element_as_double(scales->view(), i) != 1) return false;
  return true;
}

bool pool_by_one(const Graph& g, const Node& node) {
  std::optional<Window2d> w = window2d(g, node);
  return w && w->pointwise();
}

bool scales_by_one(const Graph& g, const Node& node) {
  std::optional<Affine> a = as_affine(g, node);
  if (!a) return false;
  auto is = [](const std::vector<double>& values, double wanted) {
    return std::all_of(values.begin(), values.end(), [&](double v) { return v == wanted; });
  };
  return is(a->scale, 1) && is(a->shift, 0);
}

// The first input passes through; the types are known to be equal.
bool is_identity(const Graph& g, const Node& node) {
  const std::string& op = node.op;
  if (is_one_of(op, {"Identity", "Dropout", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Tile"}))
    return true;
  if (op == "Transpose") return keeps_order(node, g[node.input(0)].type.shape.size());
  if (op == "Slice") return forward_slice(g, node);
  if (op == "Resize") return resize_by_one(g, node);
  if (is_one_of(op, {"Concat", "Sum", "Max", "Min", "Mean"})) return node.inputs.size() == 1;
  if (op == "Split") return node.outputs.size() == 1;
  if (op == "Clip") return node.input(1) == kNoValue && node.input(2) == kNoValue;
  if (is_one_of(op, {"MaxPool", "AveragePool"})) return pool_by_one(g, node);
  if (op == "Pad") {
    const Tensor* pads = g.constant(node.input(1));
    return pads && all_are(to_ints(pads->view()), 0);
  }
  return false;
}

ValueId passed_through(const Graph& g, const Node& node) {
  for (size_t i = 1; i < node.outputs.size(); ++i)
    if (!g[node.outputs[i]].uses.empty() || g.is_output(node.outputs[i])) return kNoValue;
  if (node.inputs.empty() || node.input(0) == kNoValue) return kNoValue;
  if (scales_by_one(g, node)) return as_affine(g, node)->x;
  bool same = g[node.input(0)].type == g[node.outputs[0]].type;
  return same && is_identity(g, node) ? node.input(0) : kNoValue;
}

Result<int> run(Graph& g, const OpTable&) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    ValueId x = passed_through(g, g[id]);
    if (x != kNoValue && bypass(g, g[id].outputs[0], x)) ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kRemoveIdentities{"remove_identities", "operators that change nothing => their input", run};

}  // namespace quadlane
