#include "graph/passes/image_form.h"

namespace quadlane {
namespace {

const std::vector<int64_t> kSwapDepth = {0, 2, 1, 3, 4};  // [N, C, D, H, W] <-> [N, D, C, H, W]

bool needs_transpose(const VolumeShape& s) { return s.c > 1 && s.d > 1; }

}  // namespace

std::optional<VolumeShape> VolumeShape::of(const Graph& g, ValueId v) {
  if (v == kNoValue) return {};
  const TensorType& type = g[v].type;
  const Shape& s = type.shape;
  const bool byte = type.dtype == DType::u8 || type.dtype == DType::s8;
  if ((type.dtype != DType::f32 && !byte) || type.count() == 0) return {};
  if (s.size() == 3) return VolumeShape{3, s[0], s[1], 1, 1, s[2]};
  if (s.size() == 5) return VolumeShape{5, s[0], s[1], s[2], s[3], s[4]};
  return {};
}

bool is_scalar_quantizer(const Graph& g, const Node& node) {
  return is_one_of(node.op, {"QuantizeLinear", "DequantizeLinear"}) && scalar_constant(g, node.input(1));
}

std::optional<ValueId> ImageForm::known_image(ValueId v) const {
  const std::optional<VolumeShape> shape = VolumeShape::of(g_, v);
  if (!shape) return {};
  ValueId at = v;
  if (needs_transpose(*shape)) {
    const Node* transpose = producer_of(g_, at, "Transpose");
    if (!transpose || transpose->attrs.ints_or("perm", {}) != kSwapDepth) return {};
    at = transpose->input(0);
  }
  const Node* reshape = producer_of(g_, at, "Reshape");
  if (!reshape || g_[reshape->input(0)].type.shape != shape->image()) return {};
  return reshape->input(0);
}

Result<ValueId> ImageForm::add(std::string op, Attrs attrs, std::vector<ValueId> inputs) {
  return add_op(g_, ops_, Node{name_, std::move(op), std::move(attrs), std::move(inputs), {}});
}

Result<ValueId> ImageForm::reshape(ValueId v, const Shape& shape) {
  if (g_[v].type.shape == shape) return v;
  const ValueId target =
      g_.add_constant(name_ + ".shape", Tensor::from<int64_t>({static_cast<int64_t>(shape.size())}, shape));
  return add("Reshape", {}, {v, target});
}

Result<ValueId> ImageForm::image(ValueId v, int quantizers) {
  if (auto known = known_image(v)) return *known;
  const std::optional<VolumeShape> shape = VolumeShape::of(g_, v);
  if (!shape) return make_error(Code::internal, "'", g_[v].name, "' is no sequence or volume");
  const Node* quantizer = quantizers > 0 ? g_.producer(v) : nullptr;
  if (quantizer && is_scalar_quantizer(g_, *quantizer) && VolumeShape::of(g_, quantizer->input(0))) {
    const Node node = *quantizer;
    std::vector<ValueId> inputs = node.inputs;
    QL_TRY(inputs[0], image(node.input(0), quantizers - 1));
    return add(node.op, node.attrs, inputs);
  }
  if (needs_transpose(*shape)) {
    Attrs attrs;
    attrs.set("perm", kSwapDepth);
    QL_TRY(v, add("Transpose", std::move(attrs), {v}));
  }
  return reshape(v, shape->image());
}

Result<ValueId> ImageForm::slices(ValueId image, int64_t channels, int64_t begin, int64_t end) {
  if (begin == 0 && end * channels == g_[image].type.shape[1]) return image;
  auto number = [&](const char* what, int64_t value) {
    return g_.add_constant(name_ + what, Tensor::from<int64_t>({1}, std::vector<int64_t>{value}));
  };
  return add("Slice", {},
             {image, number(".begin", begin * channels), number(".end", end * channels), number(".axis", 1)});
}

Result<ValueId> ImageForm::slices(ValueId image, int64_t channels, const std::vector<int64_t>& depths) {
  std::vector<ValueId> runs;
  for (size_t i = 0, first = 0; i < depths.size(); ++i)
    if (i + 1 == depths.size() || depths[i + 1] != depths[i] + 1) {
      QL_TRY(ValueId run, slices(image, channels, depths[first], depths[i] + 1));
      runs.push_back(run);
      first = i + 1;
    }
  return concat(runs);
}

Result<ValueId> ImageForm::concat(const std::vector<ValueId>& images) {
  if (images.size() == 1) return images[0];
  Attrs attrs;
  attrs.set("axis", int64_t{1});
  return add("Concat", std::move(attrs), images);
}

Status ImageForm::replace(ValueId old, ValueId image) {
  const VolumeShape shape = *VolumeShape::of(g_, old);
  const ValueId target_of = image;
  Node last{name_, "Reshape", {}, {}, {}};
  if (needs_transpose(shape)) {
    QL_TRY(ValueId slices_first, reshape(target_of, {shape.n, shape.d, shape.c, shape.h, shape.w}));
    last.op = "Transpose";
    last.attrs.set("perm", kSwapDepth);
    last.inputs = {slices_first};
  } else {
    const Shape& target = g_[old].type.shape;
    last.inputs = {
        image, g_.add_constant(name_ + ".shape", Tensor::from<int64_t>({static_cast<int64_t>(target.size())}, target))};
  }
  QL_TRY([[maybe_unused]] ValueId v, replace_with(g_, ops_, old, std::move(last)));
  return {};
}

}  // namespace quadlane
