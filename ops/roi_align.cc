// RoiAlign(x [N, C, H, W], regions [R, 4] as x0, y0, x1, y1, images [R]) -> [R, C, output_height, output_width]: every
// region is cut into bins, a bin is the mean (avg) of the points of a regular grid in it, or the largest of their
// weighted taps (max: what the operator's definition says, not the largest point).
//
// Points up to one pixel outside read the border; those further out read nothing. half_pixel shifts regions by half a
// pixel; output_half_pixel does not and gives a region at least one pixel.
#include "ops/attr.h"
#include "ops/bilinear.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/vision.h"

namespace quadlane {
namespace {

constexpr int64_t kMaxGrid = 1 << 16;  // points along one axis of a bin

struct RoiAttrs {
  bool max, half_pixel;
  int64_t height, width, ratio;
  double scale;
};

Result<RoiAttrs> attrs_of(const OpContext& ctx) {
  const Attrs& attrs = ctx.attrs();
  QL_TRY(std::string mode, string_attr(attrs, "mode", "avg"));
  QL_TRY(std::string transform, string_attr(attrs, "coordinate_transformation_mode", "half_pixel"));
  QL_TRY(int64_t height, int_attr_in(attrs, "output_height", 1, 1, 1 << 20));
  QL_TRY(int64_t width, int_attr_in(attrs, "output_width", 1, 1, 1 << 20));
  QL_TRY(int64_t ratio, int_attr_in(attrs, "sampling_ratio", 0, 0, kMaxGrid));
  QL_TRY(float scale, float_attr(attrs, "spatial_scale", 1));
  if (mode != "avg" && mode != "max") return invalid_model("attribute 'mode' is '", mode, "', expected avg or max");
  if (transform != "half_pixel" && transform != "output_half_pixel")
    return invalid_model("attribute 'coordinate_transformation_mode' is '", transform,
                         "', expected half_pixel or output_half_pixel");
  return RoiAttrs{mode == "max", transform == "half_pixel", height, width, ratio, double{scale}};
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_rank(ctx, 0, 4, 4));
  QL_CHECK_OK(expect_rank(ctx, 1, 2, 2));
  QL_CHECK_OK(expect_dtype(ctx, 1, ctx.type(0).dtype));
  QL_CHECK_OK(expect_dtype(ctx, 2, DType::s64));
  int64_t regions = ctx.shape(1)[0];
  QL_CHECK_OK(expect_shape(ctx, 1, {regions, 4}));
  QL_CHECK_OK(expect_shape(ctx, 2, {regions}));
  QL_TRY(RoiAttrs a, attrs_of(ctx));
  return std::vector<TensorType>{{ctx.type(0).dtype, {regions, ctx.shape(0)[1], a.height, a.width}}};
}

// A region along one axis: where its bins start and how many points each has.
struct Side {
  double start, bin;
  int64_t points;
  double point(int64_t b, int64_t i) const {
    return start + static_cast<double>(b) * bin + (static_cast<double>(i) + 0.5) * bin / static_cast<double>(points);
  }
};
Result<Side> side_of(const RoiAttrs& a, double from, double to, int64_t bins) {
  double offset = a.half_pixel ? 0.5 : 0, start = from * a.scale - offset, length = to * a.scale - offset - start;
  if (!a.half_pixel) length = std::max(length, 1.0);
  Side side{start, length / static_cast<double>(bins), a.ratio};
  if (a.ratio > 0) return side;
  double points = std::ceil(side.bin);
  if (points > static_cast<double>(kMaxGrid))
    return invalid_argument("region from ", from, " to ", to, " has ", points, " points a bin, the limit is ",
                            kMaxGrid);
  side.points = points > 0 ? static_cast<int64_t>(points) : 0;
  return side;
}

// The taps at (y, x), border pixels repeated for one pixel around the image.
Bilinear taps_at(double y, double x, int64_t height, int64_t width) {
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width))) return {};
  return bilinear_at(std::clamp(y, 0.0, static_cast<double>(height - 1)),
                     std::clamp(x, 0.0, static_cast<double>(width - 1)), height, width);
}

// What one bin holds, of all channels at once, so that the points need not be kept.
template <class T>
class Bin {
 public:
  Bin(int64_t channels, bool max) : max_(max), sums_(static_cast<size_t>(channels)) {}

  void clear() {
    count_ = 0;
    std::fill(sums_.begin(), sums_.end(), max_ ? -std::numeric_limits<double>::infinity() : 0.0);
  }
  void add(const Bilinear& point, const T* plane, int64_t pixels) {
    ++count_;
    for (double& sum : sums_) {
      if (!max_) sum += point.of(plane);
      for (int i = 0; max_ && i < 4; ++i)
        sum = std::max(sum, point.weight[i] * static_cast<double>(plane[point.offset[i]]));
      plane += pixels;
    }
  }
  void write(T* y, int64_t stride) const {
    for (double sum : sums_) {
      *y = count_ == 0 ? T{0} : static_cast<T>(max_ ? sum : sum / static_cast<double>(count_));
      y += stride;
    }
  }

 private:
  const bool max_;
  int64_t count_ = 0;
  std::vector<double> sums_;  // or the largest, for each channel
};

template <class T>
Status align(const OpContext& ctx, const RoiAttrs& a, const MutView& out) {
  const Shape& x = ctx.shape(0);
  T* y = out.as<T>();
  if (elements(x) == 0) {
    std::fill_n(y, out.type->count(), T{0});
    return {};
  }
  int64_t bins = a.height * a.width, pixels = x[2] * x[3];
  Bin<T> bin(x[1], a.max);
  for (int64_t r = 0; r < ctx.shape(1)[0]; ++r, y += x[1] * bins) {
    int64_t image = ctx.inputs[2].as<int64_t>()[r];
    if (image < 0 || image >= x[0]) return invalid_argument("image ", image, " does not exist among ", x[0]);
    const T *region = ctx.inputs[1].as<T>() + 4 * r, *planes = ctx.inputs[0].as<T>() + image * x[1] * pixels;
    QL_TRY(Side rows, side_of(a, double{region[1]}, double{region[3]}, a.height));
    QL_TRY(Side columns, side_of(a, double{region[0]}, double{region[2]}, a.width));
    for (int64_t b = 0; b < bins; ++b) {
      bin.clear();
      for (int64_t i = 0; i < rows.points; ++i)
        for (int64_t j = 0; j < columns.points; ++j)
          bin.add(taps_at(rows.point(b / a.width, i), columns.point(b % a.width, j), x[2], x[3]), planes, pixels);
      bin.write(y + b, bins);
    }
  }
  return {};
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(RoiAttrs a, attrs_of(ctx));
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) { return align<T>(ctx, a, out[0]); });
}

}  // namespace

void append_roi_align_ops(std::vector<OpDef>& defs) {
  defs.push_back({"RoiAlign", 3, 3, 1,
                  "coordinate_transformation_mode mode output_height output_width sampling_ratio spatial_scale", infer,
                  with_half<eval>});
}

}  // namespace quadlane
