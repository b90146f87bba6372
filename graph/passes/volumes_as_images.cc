// volumes_as_images: Conv [N,C,D,H,W]  =>  for each depth Conv [N,C*kd,H,W] of the slices in its window, Concat
//
// Operators on sequences (rank 3) and volumes (rank 5) become operators on images (image_form.h): those with a window
// in depth as volume_windows.cc says, elementwise ones where an operand is such an image already, so that the edges
// move out to the inputs and outputs of the whole part.
#include "graph/passes/group_norm.h"
#include "graph/passes/list.h"
#include "graph/passes/volume_lifts.h"

namespace quadlane {
namespace {

bool is_arithmetic(const Node& node) { return is_one_of(node.op, {"Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"}); }

// A constant for each channel (or one for all) as an operand of the image; nullopt when it is neither.
std::optional<ValueId> channel_operand(Graph& g, ValueId v, const VolumeShape& like) {
  if (scalar_constant(g, v) && g[v].type.shape.size() <= 1) return v;
  const auto values = channel_constant(
      g, v, like.rank == 3 ? Shape{like.n, like.c, like.w} : Shape{like.n, like.c, like.d, like.h, like.w});
  if (!values) return {};
  std::vector<double> repeated;
  for (int64_t d = 0; d < like.d; ++d) repeated.insert(repeated.end(), values->begin(), values->end());
  return add_floats(g, g[v].name + ".image", {like.d * like.c, 1, 1}, repeated);
}

Lifted lift_arithmetic(ImageForm& form, const Node& node) {
  Graph& g = form.graph();
  const auto y = VolumeShape::of(g, node.output());
  if (!y) return kStays;
  std::vector<ValueId> inputs;
  bool any = false;
  for (ValueId v : node.inputs) any |= form.known_image(v).has_value();
  if (!any) return kStays;
  for (ValueId v : node.inputs) {
    if (g.constant(v)) {
      const auto operand = channel_operand(g, v, *y);
      if (!operand) return kStays;
      inputs.push_back(*operand);
      continue;
    }
    const auto s = VolumeShape::of(g, v);
    if (!s || s->rank != y->rank || s->n != y->n || s->c != y->c) return kStays;
    const bool per_channel = s->d == 1 && s->h == 1 && s->w == 1;
    if (!per_channel && g[v].type.shape != g[node.output()].type.shape) return kStays;
    QL_TRY(ValueId image, form.image(v));
    QL_TRY(image, form.concat(std::vector<ValueId>(static_cast<size_t>(per_channel ? y->d : 1), image)));
    inputs.push_back(image);
  }
  QL_TRY(ValueId result, form.add(node.op, node.attrs, inputs));
  return std::optional(result);
}

// On the parts of a concat, where convolutions can take it over.
Lifted lift_unary(ImageForm& form, const Node& node) {
  const auto image = form.known_image(node.input(0));
  if (!image || !VolumeShape::of(form.graph(), node.output())) return kStays;
  if (is_one_of(node.op, {"QuantizeLinear", "DequantizeLinear"}) && !is_scalar_quantizer(form.graph(), node))
    return kStays;
  const Node* concat = producer_of(form.graph(), *image, "Concat");
  std::vector<ValueId> parts = concat ? concat->inputs : std::vector{*image};
  for (ValueId& part : parts) {
    std::vector<ValueId> inputs = node.inputs;
    inputs[0] = part;
    QL_TRY(part, form.add(node.op, node.attrs, inputs));
  }
  QL_TRY(ValueId result, form.concat(parts));
  return std::optional(result);
}

Lifted lift_batch_norm(ImageForm& form, const Node& node) {
  Graph& g = form.graph();
  const auto image = form.known_image(node.input(0));
  const auto s = VolumeShape::of(g, node.output());
  if (!image || !s || node.outputs.size() != 1) return kStays;
  std::vector<ValueId> inputs{*image};
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const std::vector<double> values = floats_of(g, node.inputs[i]);
    if (static_cast<int64_t>(values.size()) != s->c) return kStays;
    std::vector<double> repeated;
    for (int64_t d = 0; d < s->d; ++d) repeated.insert(repeated.end(), values.begin(), values.end());
    inputs.push_back(add_floats(g, g[node.inputs[i]].name + ".image", {s->d * s->c}, repeated));
  }
  QL_TRY(ValueId result, form.add(node.op, node.attrs, inputs));
  return std::optional(result);
}

// What a normalization of groups of channels computes, by its standard operators or by exporters' Reshapes.
std::optional<GroupedNorm> grouped_norm_of(const Graph& g, const Node& node) {
  if (node.op == "Reshape") {
    auto norm = grouped_norm(g, node);
    return norm && norm->dequantize == kNoNode ? norm : std::nullopt;
  }
  GroupedNorm norm{node.input(0),
                   kNoNode,
                   0,
                   node.attrs.float_or("epsilon", 1e-5f),
                   floats_of(g, node.input(1)),
                   floats_of(g, node.input(2))};
  norm.groups = node.attrs.int_or("num_groups", static_cast<int64_t>(norm.scale.size()));
  return norm;
}

// A group of the volume's channels is one of the image's, once they stand channel by channel: permutations of channels
// are lists.
Lifted lift_group_norm(ImageForm& form, const Node& node) {
  Graph& g = form.graph();
  const auto norm = grouped_norm_of(g, node);
  const auto image = norm ? form.known_image(norm->x) : std::nullopt;
  const auto s = VolumeShape::of(g, node.output());
  if (!image || !s) return kStays;
  if (s->d == 1 && node.op == "InstanceNormalization") {
    QL_TRY(ValueId result, form.add(node.op, node.attrs, {*image, node.input(1), node.input(2)}));
    return std::optional(result);
  }
  std::vector<int64_t> to_groups, back;
  for (int64_t i = 0; i < s->d * s->c; ++i) {
    to_groups.push_back(i % s->d * s->c + i / s->d);
    back.push_back(i % s->c * s->d + i / s->c);
  }
  Attrs axis, groups;
  axis.set("axis", int64_t{1});
  groups.set("num_groups", norm->groups);
  groups.set("epsilon", norm->epsilon);
  auto in_order = [&](ValueId x, const std::vector<int64_t>& order) -> Result<ValueId> {
    if (s->d == 1) return x;
    return form.add("Gather", axis,
                    {x, g.add_constant(node.name + ".order", Tensor::from<int64_t>({s->d * s->c}, order))});
  };
  QL_TRY(ValueId grouped, in_order(*image, to_groups));
  std::vector<ValueId> inputs{grouped};
  for (const std::vector<double>* values : {&norm->scale, &norm->bias}) {
    if (static_cast<int64_t>(values->size()) != s->c) return kStays;
    std::vector<double> repeated;
    for (double v : *values) repeated.insert(repeated.end(), static_cast<size_t>(s->d), v);
    inputs.push_back(add_floats(g, node.name + ".groups", {s->d * s->c}, repeated));
  }
  QL_TRY(ValueId normalized, form.add("GroupNormalization", groups, inputs));
  QL_TRY(ValueId result, in_order(normalized, back));
  return std::optional(result);
}

// Along the channels: slice by slice; along the depth: one image after the other.
Lifted lift_concat(ImageForm& form, const Node& node) {
  Graph& g = form.graph();
  const auto y = VolumeShape::of(g, node.output());
  if (!y) return kStays;
  const int64_t axis = axis_of(g, node);
  if (axis != 1 && !(axis == 2 && y->rank == 5)) return kStays;
  std::vector<ValueId> images;
  bool any = false;
  for (ValueId v : node.inputs) {
    if (!VolumeShape::of(g, v)) return kStays;
    any |= form.known_image(v).has_value();
  }
  if (!any) return kStays;
  for (ValueId v : node.inputs) {
    QL_TRY(ValueId image, form.image(v));
    images.push_back(image);
  }
  std::vector<ValueId> parts;
  for (int64_t d = 0; d < y->d && axis == 1; ++d)
    for (size_t i = 0; i < images.size(); ++i) {
      QL_TRY(ValueId slice, form.slices(images[i], VolumeShape::of(g, node.inputs[i])->c, d, d + 1));
      parts.push_back(slice);
    }
  QL_TRY(ValueId all, form.concat(axis == 1 ? parts : images));
  return std::optional(all);
}

Lifted lift(ImageForm& form, const Node& node) {
  if (is_one_of(node.op, {"Conv", "ConvTranspose"})) return lift_conv(form, node);
  if (is_one_of(node.op, {"MaxPool", "AveragePool"})) return lift_pool(form, node);
  if (is_one_of(node.op, {"GlobalAveragePool", "GlobalMaxPool"})) return lift_global_pool(form, node);
  if (node.op == "Resize") return lift_resize(form, node);
  if (node.op == "BatchNormalization") return lift_batch_norm(form, node);
  if (is_one_of(node.op, {"InstanceNormalization", "GroupNormalization", "Reshape"}))
    return lift_group_norm(form, node);
  if (node.op == "Concat") return lift_concat(form, node);
  if (is_arithmetic(node)) return lift_arithmetic(form, node);
  if (is_function(node.op) || is_one_of(node.op, {"QuantizeLinear", "DequantizeLinear"})) return lift_unary(form, node);
  return kStays;
}

// Slices make many nodes of one; where there are so many already, the rest stays as it is.
constexpr size_t kMostNodes = size_t{1} << 18;

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (g.node_capacity() > kMostNodes) break;
    if (!g.is_live(id) || g[id].outputs.empty() || !VolumeShape::of(g, g[id].output())) continue;
    const Node node = g[id];
    ImageForm form(g, ops, node.name);
    QL_TRY(std::optional<ValueId> image, lift(form, node));
    if (!image) continue;
    QL_CHECK_OK(form.replace(node.output(), *image));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kVolumesAsImages{"volumes_as_images", "operators on sequences and volumes => on images", run};

}  // namespace quadlane
