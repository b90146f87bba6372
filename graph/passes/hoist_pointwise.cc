// hoist_pointwise: Resize(x) -> Conv 1x1  =>  Conv 1x1 (x) -> Resize
//
// A 1x1 convolution without padding mixes channels, upsampling mixes pixels; the two commute when every resized pixel
// is a sum of source pixels whose weights add to 1 (nearest and linear do; extrapolation does not): the bias then
// passes unchanged. Done where the resize enlarges the image and nothing else reads it: the convolution runs on fewer
// pixels.
#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

bool commutes(const Graph& g, const Node& resize) {
  const Shape &in = g[resize.input(0)].type.shape, &out = g[resize.output()].type.shape;
  if (in.size() != 4 || out[0] != in[0] || out[1] != in[1] || out[2] < in[2] || out[3] < in[3]) return false;
  if (out[2] * out[3] == in[2] * in[3] || resize.attrs.has("axes")) return false;
  std::string mode = resize.attrs.string_or("mode", "nearest");
  std::string coordinates = resize.attrs.string_or("coordinate_transformation_mode", "half_pixel");
  return (mode == "nearest" || mode == "linear") && coordinates != "tf_crop_and_resize";
}

// The resize of a value with another number of channels: sizes name it, scales do not.
Result<Node> resized(Graph& g, const Node& resize, ValueId x, int64_t channels) {
  Node node = resize;
  node.inputs[0] = x;
  if (node.input(3) == kNoValue) return node;
  const Tensor* sizes = g.constant(node.input(3));
  if (!sizes || sizes->count() != 4) return unsupported("sizes of '", resize.name, "' are no constant");
  std::vector<int64_t> values = to_ints(sizes->view());
  values[1] = channels;
  node.inputs[3] = g.add_constant(resize.name + ".sizes", Tensor::from<int64_t>({4}, values));
  return node;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Conv") continue;
    Node conv = g[id];
    std::optional<Window2d> window = window2d(g, conv);
    const Node* producer = producer_of(g, conv.input(0), "Resize");
    if (!window || !window->pointwise() || !producer || !g.single_use(conv.input(0))) continue;
    Node resize = *producer;
    if (!commutes(g, resize)) continue;
    if (resize.input(3) != kNoValue && !g.constant(resize.input(3))) continue;
    ValueId old = g[id].output();
    conv.inputs[0] = resize.input(0);
    QL_TRY(ValueId small, add_op(g, ops, conv));
    QL_TRY(Node last, resized(g, resize, small, g[small].type.shape[1]));
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, old, std::move(last)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kHoistPointwise{"hoist_pointwise", "Resize -> 1x1 Conv => 1x1 Conv -> Resize", run};

}  // namespace quadlane
