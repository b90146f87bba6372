// Resize of a volume: of every slice as an image, then in depth.
//
// Every mode resizes one axis after the other and is linear in the pixels, so in depth y[od] = sum over d of W[d][od] *
// x[d]. W is what the operator makes of unit vectors: for nearest a list of slices, for linear two products a slice.
#include <algorithm>

#include "graph/passes/volume_lifts.h"

namespace quadlane {
namespace {

struct Scaling {
  std::vector<double> scales;  // (d, h, w); empty: sizes
};

// Nullopt for what is not separable, or no constant.
std::optional<Scaling> scaling_of(const Graph& g, const Node& node) {
  const Attrs& a = node.attrs;
  if (a.has("axes") || a.string_or("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize") return {};
  if (a.string_or("keep_aspect_ratio_policy", "stretch") != "stretch" || a.int_or("antialias", 0) != 0) return {};
  if (node.input(3) != kNoValue) return Scaling{};
  const std::vector<double> all = floats_of(g, node.input(2));
  if (all.size() == 3) return Scaling{{1, 1, all[2]}};
  if (all.size() == 5) return Scaling{{all[2], all[3], all[4]}};
  return {};
}

// The node for an image of shape `to`, by scales (h, w) or, where there are none, by sizes.
Result<ValueId> resized(Graph& g, const OpTable& ops, const Node& node, ValueId x, const Shape& to,
                        const std::vector<double>& scales) {
  Node resize{node.name, "Resize", node.attrs, {x, kNoValue}, {}};
  if (scales.empty())
    resize.inputs.insert(resize.inputs.end(),
                         {kNoValue, g.add_constant(node.name + ".sizes", Tensor::from<int64_t>({4}, to))});
  else
    resize.inputs.push_back(add_floats(g, node.name + ".scales", {4}, {1, 1, scales[0], scales[1]}));
  return add_op(g, ops, std::move(resize));
}

// W, [d * out + od].
Result<Tensor> depth_weights(const OpTable& ops, const Node& node, int64_t in, int64_t out,
                             const std::vector<double>& scales) {
  Graph g;
  const ValueId x = g.add_input("x", {DType::f32, {in, 1, in, 1}});
  QL_TRY(ValueId y,
         resized(g, ops, node, x, {in, 1, out, 1}, scales.empty() ? scales : std::vector<double>{scales[0], 1}));
  g.set_outputs({y});
  std::vector<float> units(static_cast<size_t>(in * in));
  for (int64_t d = 0; d < in; ++d) units[static_cast<size_t>(d * in + d)] = 1;
  const Tensor identity = Tensor::from<float>({in, 1, in, 1}, units);
  QL_TRY(std::vector<Tensor> made, interpret(g, ops, std::span(&identity, 1)));
  return std::move(made[0]);
}

struct DepthWeight {
  int64_t depth;
  double weight;
};

// The slices of each output slice, all with the same number of them: the last one's weight is shared out.
std::vector<std::vector<DepthWeight>> taps_of(const Tensor& w, int64_t in, int64_t out) {
  std::vector<std::vector<DepthWeight>> taps(static_cast<size_t>(out));
  size_t most = 1;
  for (int64_t od = 0; od < out; ++od) {
    auto& of = taps[static_cast<size_t>(od)];
    for (int64_t d = 0; d < in; ++d)
      if (const float weight = w.as<float>()[d * out + od]; weight != 0) of.push_back({d, weight});
    if (of.empty()) of.push_back({0, 0});
    most = std::max(most, of.size());
  }
  for (auto& of : taps) {
    const auto shares = static_cast<double>(most - of.size() + 1);
    of.back().weight /= shares;
    of.resize(most, of.back());
  }
  return taps;
}

}  // namespace

Lifted lift_resize(ImageForm& form, const Node& node) {
  Graph& g = form.graph();
  const auto x = VolumeShape::of(g, node.input(0)), y = VolumeShape::of(g, node.output());
  const auto image = form.known_image(node.input(0));
  const auto scaling = scaling_of(g, node);
  if (!x || !y || !image || !scaling || x->n != y->n || x->c != y->c) return kStays;
  if (g[node.output()].type.dtype != DType::f32) return kStays;
  const auto& scales = scaling->scales;
  QL_TRY(ValueId slices, resized(g, form.ops(), node, *image, {x->n, x->d * x->c, y->h, y->w},
                                 scales.empty() ? scales : std::vector<double>{scales[1], scales[2]}));
  if (x->d == 1 && y->d == 1) return std::optional(slices);
  QL_TRY(Tensor weights, depth_weights(form.ops(), node, x->d, y->d, scales));
  const auto taps = taps_of(weights, x->d, y->d);
  ValueId sum = kNoValue;
  for (size_t j = 0; j < taps[0].size(); ++j) {
    std::vector<int64_t> depths;
    std::vector<double> factors;
    for (const auto& of : taps) {
      depths.push_back(of[j].depth);
      factors.insert(factors.end(), static_cast<size_t>(x->c), of[j].weight);
    }
    QL_TRY(ValueId part, form.slices(slices, x->c, depths));
    if (std::any_of(factors.begin(), factors.end(), [](double f) { return f != 1; })) {
      QL_TRY(part, form.add("Mul", {}, {part, add_floats(g, node.name + ".weights", {y->d * x->c, 1, 1}, factors)}));
    }
    if (sum != kNoValue) {
      QL_TRY(part, form.add("Add", {}, {sum, part}));
    }
    sum = part;
  }
  return std::optional(sum);
}

}  // namespace quadlane
