// Upsample and the older Resize in the form of Resize-19: inputs x, roi, scales, sizes, one of the last two absent,
// both covering every axis.
#include <cmath>

#include "loader/take_attr.h"
#include "loader/upgrade.h"

namespace quadlane {
namespace {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

Result<Floats> floats_of(const Tensor& tensor) {
  if (tensor.dtype() != DType::f32) return invalid_model("scales are ", to_string(tensor.type()), ", expected f32");
  return Floats(tensor.span<float>().begin(), tensor.span<float>().end());
}

// Upsample and Resize-10 sample at x_out / scale. They round down when enlarging; ONNX's vectors for Resize-10 and
// ONNX Runtime round up when reducing.
Status set_simple_sampling(Draft& d, const Floats& scales) {
  bool enlarges = false, reduces = false;
  for (float s : scales) {
    enlarges |= s > 1;
    reduces |= s < 1;
  }
  QL_TRY(std::optional<std::string> given, take_attr<std::string>(d.attrs(), "mode"));
  const std::string mode = given.value_or("nearest");
  if (mode == "nearest") {
    if (enlarges && reduces) return unsupported("enlarges one axis and reduces another in nearest mode");
    d.attrs().set("nearest_mode", std::string(reduces ? "ceil" : "floor"));
  }
  d.attrs().set("mode", mode == "bilinear" ? std::string("linear") : mode);
  d.attrs().set("coordinate_transformation_mode", std::string("asymmetric"));
  return {};
}

// x, scales -> x, -, scales.
Status place_scales(Draft& d, Emitter& e, ValueId scales) {
  const Tensor* known = e.constant(scales);
  if (!known) return make_error(Code::needs_value, "scales are not constant");
  QL_TRY(Floats values, floats_of(*known));
  d.node.op = "Resize";
  d.node.inputs = {d.node.inputs[0], kNoValue, scales};
  return set_simple_sampling(d, values);
}

// A constant input without elements means an absent one.
void drop_empty(Draft& d, const Emitter& e, size_t i) {
  if (i >= d.input_count() || !e.has(d.node.inputs[i])) return;
  if (const Tensor* t = e.constant(d.node.inputs[i]); t && t->count() == 0) d.node.inputs[i] = kNoValue;
}

// TensorFlow's exporters round (x_out + 0.5) / scale down, which is half_pixel rounding half up: the form that passes
// know.
void replace_tf_half_pixel(Draft& d) {
  if (d.attrs().string_or("coordinate_transformation_mode", "") != "tf_half_pixel_for_nn") return;
  if (d.attrs().string_or("mode", "nearest") != "nearest" || d.attrs().string_or("nearest_mode", "") != "floor") return;
  d.attrs().set("coordinate_transformation_mode", std::string("half_pixel"));
  d.attrs().set("nearest_mode", std::string("round_prefer_ceil"));
}

// Resize-18: scales or sizes of the listed axes only; the others keep their extent. A region of interest for some axes
// is left to the operator.
Status spread_axes(Draft& d, Emitter& e) {
  if (d.input_count() > 1 && e.has(d.node.inputs[1])) return {};
  QL_TRY(std::optional<Ints> axes, take_attr<Ints>(d.attrs(), "axes"));
  if (!axes) return {};
  const Shape shape = e.type(d.node.inputs[0]).shape;
  Floats scales(shape.size(), 1.0f);
  Ints sizes = shape;
  for (size_t i : {size_t{2}, size_t{3}}) {
    if (i >= d.input_count() || !e.has(d.node.inputs[i])) continue;
    const Tensor* known = e.constant(d.node.inputs[i]);
    if (!known) return make_error(Code::needs_value, i == 2 ? "scales are not constant" : "sizes are not constant");
    if (known->count() != static_cast<int64_t>(axes->size()))
      return invalid_model("has ", known->count(), i == 2 ? " scales for " : " sizes for ", axes->size(), " axes");
    for (size_t a = 0; a < axes->size(); ++a) {
      QL_TRY(size_t axis, resolve_axis((*axes)[a], shape.size()));
      if (i == 2)
        scales[axis] = static_cast<float>(element_as_double(known->view(), static_cast<int64_t>(a)));
      else
        sizes[axis] = element_as_int(known->view(), static_cast<int64_t>(a));
    }
    d.node.inputs[i] = i == 2 ? e.add_constant(d.node.name + ".scales",
                                               Tensor::from<float>({static_cast<int64_t>(scales.size())}, scales))
                              : e.add_ints(d.node.name + ".sizes", sizes);
  }
  return {};
}

}  // namespace

// Upsample-7: attribute scales; Upsample-9: input 1.
Status upgrade_upsample(Draft& d, Emitter& e) {
  if (d.version < 9) {
    QL_TRY(std::optional<Floats> scales, take_attr<Floats>(d.attrs(), "scales"));
    if (!scales) return invalid_model("attribute 'scales' is missing");
    d.set_input(1, e.add_constant(d.node.name + ".scales",
                                  Tensor::from<float>({static_cast<int64_t>(scales->size())}, *scales)));
  }
  if (d.input_count() != 2) return invalid_model("has ", d.input_count(), " inputs, expected 2");
  return place_scales(d, e, d.node.inputs[1]);
}

// Resize-10: x, scales. Resize-11: empty inputs instead of absent ones. Resize-18: axes.
Status upgrade_resize(Draft& d, Emitter& e) {
  if (d.input_count() < 2) return invalid_model("has ", d.input_count(), " inputs, expected scales or sizes");
  if (d.version < 11) {
    if (d.input_count() != 2) return invalid_model("has ", d.input_count(), " inputs, expected 2");
    return place_scales(d, e, d.node.inputs[1]);
  }
  for (size_t i : {size_t{1}, size_t{2}, size_t{3}}) drop_empty(d, e, i);
  while (!d.node.inputs.empty() && d.node.inputs.back() == kNoValue) d.node.inputs.pop_back();
  // A region of interest is read by one coordinate mode only; exporters write one for the others too.
  if (d.input_count() > 1 && d.attrs().string_or("coordinate_transformation_mode", "") != "tf_crop_and_resize")
    d.node.inputs[1] = kNoValue;
  replace_tf_half_pixel(d);
  QL_TRY(std::optional<int64_t> antialias, take_attr<int64_t>(d.attrs(), "antialias"));
  if (antialias && *antialias != 0) d.attrs().set("antialias", *antialias);
  if (d.attrs().string_or("keep_aspect_ratio_policy", "stretch") != "stretch")
    return {};  // concerns the listed axes only
  d.attrs().erase("keep_aspect_ratio_policy");
  return spread_axes(d, e);
}

}  // namespace quadlane
