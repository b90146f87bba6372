// Resize (f32, and nearest on any planes) and ql.Resize (u8) by resample kernels: tables of rows and columns, or the
// special kernels for exactly twice the size.
#include <algorithm>
#include <cmath>

#include "engine/compile/lowering.h"
#include "engine/run/row_steps.h"
#include "jit/kernels/resample.h"
#include "ops/resize_axis.h"

namespace quadlane::compile {
namespace {

struct Axes {
  ResizeAxis h, w;
};

// From the operator's own record of scales and sizes, so that the coordinates are the reference's to the bit.
Result<std::optional<Axes>> read_axes(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out = l.shape(node.output());
  std::vector<float> scales;
  if (node.op == "ql.Resize") {
    if (const auto* s = node.attrs.find<std::vector<float>>("scales")) scales = *s;
  } else {
    if (node.attrs.has("axes")) return std::optional<Axes>();
    if (node.input(2) != kNoValue && l.shape(node.input(2)) != Shape{0}) {
      const Tensor* t = l.graph.constant(node.input(2));
      if (!t) return std::optional<Axes>();
      for (int64_t i = 2; i < t->count(); ++i) scales.push_back(t->as<float>()[i]);
    }
  }
  Axes axes;
  for (size_t i = 0; i < 2; ++i) {
    ResizeAxis& axis = i == 0 ? axes.h : axes.w;
    if (scales.size() == 2 && node.op == "Resize") {
      QL_TRY(axis, axis_by_scale(in[2 + i], scales[i]));
    } else {
      QL_TRY(axis, axis_by_size(in[2 + i], out[2 + i]));
      if (scales.size() == 2) axis.scale = scales[i];
    }
    if (axis.out != out[2 + i]) return std::optional<Axes>();
  }
  return std::optional(axes);
}

std::vector<ResampleTap> taps_of(const ResizeAxis& axis, const ResizeOptions& options) {
  std::vector<ResampleTap> taps;
  for (int64_t o = 0; o < axis.out; ++o) {
    // An axis that keeps its size is copied as it is.
    const float source =
        axis.is_identity(options.coordinates) ? static_cast<float>(o) : source_coordinate(axis, options.coordinates, o);
    if (options.mode == ResizeMode::nearest) {
      const int32_t index = axis.is_identity(options.coordinates) ? static_cast<int32_t>(o)
                                                                  : nearest_index(axis, options.nearest, source);
      taps.push_back({index, index, 0});
    } else {
      LinearTap t = linear_tap(axis, source);
      taps.push_back({t.first, t.second, t.fraction});
    }
  }
  return taps;
}

// The columns are those of the 2x kernels: x / 2, or 3/4 of the nearer and 1/4 of the farther pixel.
bool is_nearest_2x(const std::vector<ResampleTap>& columns, int64_t in) {
  if (static_cast<int64_t>(columns.size()) != 2 * in) return false;
  for (size_t x = 0; x < columns.size(); ++x)
    if (columns[x].first != static_cast<int32_t>(x / 2)) return false;
  return true;
}

bool is_linear_2x(const std::vector<ResampleTap>& columns, int64_t in) {
  if (static_cast<int64_t>(columns.size()) != 2 * in) return false;
  const int32_t last = static_cast<int32_t>(in - 1);
  for (size_t x = 0; x < columns.size(); ++x) {
    const int32_t near = static_cast<int32_t>(x / 2), far = std::clamp(near + (x % 2 ? 1 : -1), 0, last);
    float want_near = 0.75f, have_near = 0, have_far = 0;
    (columns[x].first == near ? have_near : have_far) += 1 - columns[x].fraction;
    (columns[x].second == near ? have_near : have_far) += columns[x].fraction;
    if (far == near) want_near = 1;
    const bool indices = (columns[x].first == near || columns[x].first == far) &&
                         (columns[x].second == near || columns[x].second == far || columns[x].fraction == 0);
    if (!indices || have_near != want_near || have_far != 1 - want_near) return false;
  }
  return true;
}

// The u8 2x kernel knows quarters of rows only; an image may be doubled in width and scaled otherwise in height.
bool in_quarters(const std::vector<ResampleTap>& rows) {
  return std::all_of(rows.begin(), rows.end(),
                     [](const ResampleTap& t) { return t.fraction * 4 == std::floor(t.fraction * 4); });
}

}  // namespace

Result<Verdict> lower_resize(Lowering& l, const Node& node) {
  const TensorType& type = l.graph.at(node.output()).type;
  const Shape& in = l.shape(node.input(0));
  if (!can_be_planar(type)) return declined("only 4-dimensional u8 and f32 values have planes");
  if (in[0] != type.shape[0] || in[1] != type.shape[1]) return declined("resizes the batch or the channels");
  QL_TRY(ResizeOptions options, resize_options(node.attrs));
  if (options.mode == ResizeMode::cubic) return declined("cubic interpolation");
  if (options.coordinates == CoordinateMode::tf_crop_and_resize) return declined("crops while resizing");
  if (node.attrs.int_or("antialias", 0)) return declined("antialiasing");
  if (type.dtype == DType::u8 && node.op != "ql.Resize" && options.mode != ResizeMode::nearest)
    return declined("linear interpolation of integers that rounds towards zero");
  QL_TRY(auto axes, read_axes(l, node));
  if (!axes) return declined("scales are not constants, or do not give the output's size");
  QL_TRY(auto found, l.planar(node.input(0)));
  if (!found) return declined("the input has no planes");
  PlanarValue x = *found;
  PlanarValue out = l.layouts.fresh_like(x, l.layouts.add(type.shape[0], type.shape[2], type.shape[3]));
  l.define(node.output(), out);

  std::vector<ResampleTap> rows = taps_of(axes->h, options), columns = taps_of(axes->w, options);
  ResampleSpec spec;
  spec.isa = l.isa;
  spec.f32 = x.dtype == DType::f32;
  spec.src_w = static_cast<int>(in[3]);
  if (options.mode == ResizeMode::nearest)
    spec.kind = is_nearest_2x(columns, in[3]) ? ResampleKind::nearest_2x : ResampleKind::nearest;
  else
    spec.kind = is_linear_2x(columns, in[3]) && (spec.f32 || in_quarters(rows)) ? ResampleKind::linear_2x
                                                                                : ResampleKind::linear;
  run::StepInfo info = make_info(node);
  l.emit([=, &l](Emitter& e) -> Status {
    ResampleSpec final_spec = spec;
    const Geometry &src = e.geometry(x), &dst = e.geometry(out);
    final_spec.dst = {dst.w, dst.gap};
    final_spec.windows = fitting_windows(final_spec, columns);
    QL_TRY(KernelId kernel, e.kernel(describe(final_spec), [&] { return generate(final_spec); }));
    size_t rows_at = e.constant(resample_rows(final_spec, rows, src.pitch));
    size_t columns_at = e.constant(resample_columns(final_spec, columns));
    run::StepInfo step = info;
    step.kernel = describe(final_spec);
    step.bytes_read = e.pixel_bytes(x);
    step.bytes_written = e.pixel_bytes(out);
    e.step(std::move(step), buffers_of({&x, &out}), [=, &l](const Addresses& a) {
      auto s = std::make_unique<run::ResampleStep>();
      s->src = l.layouts.geometry(x.layout);
      s->src_planes = a.planes(x);
      s->dst = {l.layouts.geometry(out.layout), a.planes(out), a.pads(out)};
      s->kernel = a.kernel(kernel);
      s->rows = rows_at;
      s->columns = columns_at;
      return s;
    });
    return {};
  });
  return Verdict{};
}

}  // namespace quadlane::compile
