// integer_resize: QuantizeLinear(Resize(DequantizeLinear(q)))  =>  ql.Resize(q)
//
// For images, nearest or linear, and a result of the same scale: interpolation is a mean whose weights add to 1, so scale
// and zero point pass through. A nearest result of another scale is requantized afterwards; a linear one would round
// twice and lie a level off in 16 to 29 % of the bytes, which networks carry on, so it stays in floats.
#include "graph/passes/list.h"
#include "graph/passes/requantize.h"

namespace quadlane {
namespace {

bool supported(const Graph& g, const Node& resize) {
  const Shape &in = g[resize.input(0)].type.shape, &out = g[resize.output()].type.shape;
  std::string mode = resize.attrs.string_or("mode", "nearest");
  if (in.size() != 4 || in[0] != out[0] || in[1] != out[1] || (mode != "nearest" && mode != "linear")) return false;
  if (resize.attrs.has("axes") || resize.attrs.int_or("antialias", 0) != 0) return false;
  return resize.attrs.string_or("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize";
}

Node make_resize(const Graph& g, const Node& resize, ValueId q) {
  const Shape &in = g[resize.input(0)].type.shape, &out = g[resize.output()].type.shape;
  std::vector<float> scales{static_cast<float>(out[2]) / static_cast<float>(in[2]),
                            static_cast<float>(out[3]) / static_cast<float>(in[3])};
  const Tensor* given = g.constant(resize.input(2));
  if (given && given->count() == 4) scales = {given->as<float>()[2], given->as<float>()[3]};
  Node node{resize.name, "ql.Resize", {}, {q}};
  node.attrs.set("sizes", std::vector<int64_t>{out[2], out[3]});
  node.attrs.set("scales", scales);
  node.attrs.set("mode", resize.attrs.string_or("mode", "nearest"));
  node.attrs.set("coordinate_transformation_mode",
                 resize.attrs.string_or("coordinate_transformation_mode", "half_pixel"));
  node.attrs.set("nearest_mode", resize.attrs.string_or("nearest_mode", "round_prefer_floor"));
  return node;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Resize" || !supported(g, g[id])) continue;
    std::optional<Dequantized> in = dequantized_per_tensor(g, g[id].input(0));
    std::optional<QuantizedOutput> out = in ? quantized_output(g, g[id].output()) : std::nullopt;
    if (!out) continue;
    const bool interpolates = g[id].attrs.string_or("mode", "nearest") == "linear";
    if (interpolates && in->scale() != out->scale) continue;
    Node node = make_resize(g, g[id], in->q);
    bool same = in->scale() == out->scale && in->zero() == out->zero && out->lo == 0 && out->hi == 255;
    if (!same) {
      QL_TRY(ValueId resized, add_op(g, ops, node, node.name + ".resized"));
      node = make_requantize(g, Dequantized{resized, in->params}, *out, node.name, nullptr);
    }
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, out->q, std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerResize{"integer_resize", "Resize of a dequantized image => ql.Resize", run};

}  // namespace quadlane
