// Resize (inputs X, roi, scales, sizes; the last two constant, one of them given): nearest for every element type,
// linear and cubic for f32. Axes are resized one after the other, in double for linear and cubic; the coordinates are
// those of resize_axis.h. Linear of integers is resize_integers.h.
#include "ops/attr.h"
#include "ops/check.h"
#include "ops/defs.h"
#include "ops/resize_integers.h"
#include "ops/shape_inputs.h"

namespace quadlane {

namespace {

enum Input : size_t { kX, kRoi, kScales, kSizes };

// Absent, or present with no elements: both mean "not given".
bool is_given(const OpContext& ctx, size_t i) { return ctx.has(i) && ctx.type(i).count() > 0; }

// The axes that the entries of roi, scales and sizes stand for.
Result<std::vector<int64_t>> named_axes(const OpContext& ctx) {
  int64_t rank = static_cast<int64_t>(ctx.shape(kX).size());
  std::vector<int64_t> all;
  for (int64_t i = 0; i < rank; ++i) all.push_back(i);
  QL_TRY(auto axes, ints_attr(ctx.attrs(), "axes", all));
  std::vector<bool> seen(static_cast<size_t>(rank));
  for (int64_t& axis : axes) {
    QL_TRY(axis, normalize_axis(axis, rank));
    if (seen[static_cast<size_t>(axis)]) return invalid_model("axis ", axis, " is listed twice in axes");
    seen[static_cast<size_t>(axis)] = true;
  }
  return axes;
}

Status check_list(const OpContext& ctx, size_t i, const char* name, size_t expected) {
  QL_CHECK_OK(expect_known(ctx, i, name));
  if (ctx.type(i).count() != static_cast<int64_t>(expected))
    return invalid_model(name, " has ", ctx.type(i).count(), " entries, expected ", expected);
  return {};
}

// keep_aspect_ratio_policy: one scale for the named axes, the smallest or the largest that the sizes ask for, and
// extents rounded half up. "stretch", the default, leaves every axis its own.
Status keep_aspect_ratio(const OpContext& ctx, const std::vector<int64_t>& named, std::vector<ResizeAxis>& axes) {
  QL_TRY(std::string policy, string_attr(ctx.attrs(), "keep_aspect_ratio_policy", "stretch"));
  if (policy == "stretch" || named.empty()) return {};
  if (policy != "not_larger" && policy != "not_smaller")
    return invalid_model("keep_aspect_ratio_policy is '", policy, "', expected stretch, not_larger or not_smaller");
  double scale = 0;
  for (size_t i = 0; i < named.size(); ++i) {
    const ResizeAxis& axis = axes[static_cast<size_t>(named[i])];
    double own = axis.in == 0 ? 1.0 : static_cast<double>(axis.out) / static_cast<double>(axis.in);
    scale = i == 0 ? own : policy == "not_larger" ? std::min(scale, own) : std::max(scale, own);
  }
  for (int64_t a : named) {
    ResizeAxis& axis = axes[static_cast<size_t>(a)];
    double extent = scale * static_cast<double>(axis.in) + 0.5;
    if (extent > static_cast<double>(kMaxElements))
      return unsupported("extent ", axis.in, " scaled by ", scale, " is too large");
    axis.out = static_cast<int64_t>(extent);
    axis.scale = static_cast<float>(scale);
  }
  return {};
}

}  // namespace

// One entry per axis of X.
Result<std::vector<ResizeAxis>> resize_axes(const OpContext& ctx, CoordinateMode mode) {
  QL_TRY(auto named, named_axes(ctx));
  std::vector<ResizeAxis> axes;
  for (int64_t extent : ctx.shape(kX)) axes.push_back({extent, extent});
  bool by_scale = is_given(ctx, kScales), by_size = is_given(ctx, kSizes);
  if (by_scale == by_size)
    return invalid_model(by_scale ? "has both scales and sizes" : "has neither scales nor sizes");
  QL_CHECK_OK(check_list(ctx, by_scale ? kScales : kSizes, by_scale ? "scales" : "sizes", named.size()));
  bool crop = mode == CoordinateMode::tf_crop_and_resize;
  if (crop) QL_CHECK_OK(check_list(ctx, kRoi, "roi", 2 * named.size()));
  for (size_t i = 0; i < named.size(); ++i) {
    ResizeAxis& axis = axes[static_cast<size_t>(named[i])];
    int64_t at = static_cast<int64_t>(i);
    if (by_scale) {
      QL_TRY(axis, axis_by_scale(axis.in, ctx.inputs[kScales].as<float>()[i]));
    } else {
      QL_TRY(axis, axis_by_size(axis.in, element_as_int(ctx.inputs[kSizes], at)));
    }
    if (axis.in == 0 && axis.out > 0) return invalid_model("extent 0 cannot be resized to ", axis.out);
    if (!crop) continue;
    axis.roi_start = static_cast<float>(element_as_double(ctx.inputs[kRoi], at));
    axis.roi_end = static_cast<float>(element_as_double(ctx.inputs[kRoi], at + static_cast<int64_t>(named.size())));
  }
  if (by_size) QL_CHECK_OK(keep_aspect_ratio(ctx, named, axes));
  return axes;
}

namespace {

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_TRY(ResizeOptions options, resize_options(ctx.attrs()));
  const TensorType& x = ctx.type(kX);
  bool any_type = options.mode == ResizeMode::nearest && options.coordinates != CoordinateMode::tf_crop_and_resize;
  QL_CHECK_OK(expect_dtype(ctx, kRoi, {DType::f32, DType::f64}));
  QL_CHECK_OK(expect_dtype(ctx, kScales, DType::f32));
  QL_CHECK_OK(expect_dtype(ctx, kSizes, DType::s64));
  QL_TRY(auto axes, resize_axes(ctx, options.coordinates));
  if (!any_type && x.dtype != DType::f32) QL_CHECK_OK(expect_resizable_integers(x, axes, options));
  TensorType y{x.dtype, {}};
  for (const ResizeAxis& axis : axes) y.shape.push_back(axis.out);
  return std::vector<TensorType>{y};
}

// A tensor while its axes are resized one by one: [outer, extent, inner] around the axis in hand.
template <class T>
struct Stage {
  std::vector<T> data;
  Shape shape;

  // write(tap, source rows, length, destination row) fills one row of `inner` elements.
  template <class Write>
  void resize(size_t axis, int64_t out, const Write& write) {
    int64_t outer = 1, inner = 1, in = shape[axis];
    for (size_t i = 0; i < axis; ++i) outer *= shape[i];
    for (size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
    std::vector<T> dst(static_cast<size_t>(outer * out * inner));
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t j = 0; j < out; ++j)
        write(j, data.data() + o * in * inner, inner, dst.data() + (o * out + j) * inner);
    data = std::move(dst);
    shape[axis] = out;
  }
};

template <class T>
void resize_nearest(const OpContext& ctx, std::span<const ResizeAxis> axes, const ResizeOptions& options, void* y) {
  const T* x = ctx.inputs[kX].as<T>();
  Stage<T> stage{{x, x + ctx.type(kX).count()}, ctx.shape(kX)};
  for (size_t a = 0; a < axes.size(); ++a) {
    if (axes[a].is_identity(options.coordinates)) continue;
    ResizeTaps t = resize_taps(axes[a], options);
    stage.resize(a, axes[a].out, [&](int64_t j, const T* src, int64_t inner, T* dst) {
      std::copy_n(src + t.index[static_cast<size_t>(j)] * inner, inner, dst);
    });
  }
  std::copy(stage.data.begin(), stage.data.end(), static_cast<T*>(y));
}

void resize_weighted(const OpContext& ctx, std::span<const ResizeAxis> axes, const ResizeOptions& options, float* y) {
  const float* x = ctx.inputs[kX].as<float>();
  Stage<double> stage{{x, x + ctx.type(kX).count()}, ctx.shape(kX)};
  for (size_t a = 0; a < axes.size(); ++a) {
    if (axes[a].is_identity(options.coordinates)) continue;
    ResizeTaps t = resize_taps(axes[a], options);
    stage.resize(a, axes[a].out, [&](int64_t j, const double* src, int64_t inner, double* dst) {
      for (int64_t k = j * t.taps; k < (j + 1) * t.taps; ++k) {
        const double* row = src + t.index[static_cast<size_t>(k)] * inner;
        double weight = t.weight[static_cast<size_t>(k)];
        if (weight == 0) continue;  // an infinite neighbour must not make it NaN
        for (int64_t i = 0; i < inner; ++i) dst[i] += weight * row[i];
      }
    });
  }
  for (double value : stage.data) *y++ = static_cast<float>(value);
}

// tf_crop_and_resize: pixels whose source is outside on any axis.
void extrapolate(std::span<const ResizeAxis> axes, const ResizeOptions& options, const MutView& y) {
  const Shape& shape = y.shape();
  int64_t inner = y.type->count();
  for (size_t a = 0; a < axes.size(); ++a) {
    if (shape[a] == 0) return;
    inner /= shape[a];
    ResizeTaps t = resize_taps(axes[a], options);
    float* row = y.as<float>();
    for (int64_t i = 0, rows = y.type->count() / inner; i < rows; ++i, row += inner)
      if (t.outside[static_cast<size_t>(i % shape[a])]) std::fill_n(row, inner, options.extrapolation);
  }
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(ResizeOptions options, resize_options(ctx.attrs()));
  QL_TRY(auto axes, resize_axes(ctx, options.coordinates));
  bool crop = options.coordinates == CoordinateMode::tf_crop_and_resize;
  if (options.mode != ResizeMode::nearest && ctx.type(kX).dtype != DType::f32) {
    resize_integers(ctx.inputs[kX], axes, options, out[0]);
  } else if (options.mode != ResizeMode::nearest) {
    resize_weighted(ctx, axes, options, out[0].as<float>());
  } else {
    switch (size_of(ctx.type(kX).dtype)) {
      case 1: resize_nearest<uint8_t>(ctx, axes, options, out[0].data); break;
      case 2: resize_nearest<uint16_t>(ctx, axes, options, out[0].data); break;
      case 4: resize_nearest<uint32_t>(ctx, axes, options, out[0].data); break;
      default: resize_nearest<uint64_t>(ctx, axes, options, out[0].data); break;
    }
  }
  if (crop) extrapolate(axes, options, out[0]);
  return {};
}

}  // namespace

void append_resize_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Resize", 1, 4, 1,
                  "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
                  "keep_aspect_ratio_policy mode nearest_mode",
                  infer, eval});
}

}  // namespace quadlane
